// SPDX-License-Identifier: Apache-2.0
import Quantities

enum Version {
  static let current = ProgramVersion.current
}
