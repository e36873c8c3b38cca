// SPDX-License-Identifier: Apache-2.0

/// The version that answers, files and requests carry.
package enum ProgramVersion {
  package static let current = "0.1.0"
}
