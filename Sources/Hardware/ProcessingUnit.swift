// SPDX-License-Identifier: Apache-2.0

/// What one thread runs on: a core, or one of the threads of a core that runs several.
package struct ProcessingUnit: Sendable, Hashable {
  /// The system's number.
  package let number: Int
  /// The least number of the units of its core.
  package let core: Int
  /// The NUMA node whose memory is nearest.
  package let node: Int

  package init(_ number: Int, core: Int, node: Int) {
    self.number = number
    self.core = core
    self.node = node
  }
}
