// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// How many cores a described processor has where nobody states them: as many as its memory feeds in the usual machine.
package enum AssumedCores {
  /// Memory bandwidth for each core, the median of the catalogue's processors.
  package static let bandwidth = Bandwidth(magnitude: 5.6e9)
  /// Nine in ten of them have from a third to 1.8 times as many cores as that tells.
  package static let range = 0.32...1.8

  /// At least one.
  package static func count(on memory: Bandwidth) -> Int {
    max(1, Int((memory.magnitude / bandwidth.magnitude).rounded()))
  }
}
