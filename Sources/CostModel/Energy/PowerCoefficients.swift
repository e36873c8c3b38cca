// SPDX-License-Identifier: Apache-2.0

/// What the power of a working device is made of: idle, an active floor, moved bytes and operations.
///
/// `P = idle + floor·(limit − idle) + scale·e(memory)·bytes/s + e·operations/s`, at most the limit.
package struct PowerCoefficients: Sendable, Equatable {
  /// Share of what the limit leaves above idle that clocks and schedulers take as soon as anything runs.
  package var floorShare: Double
  /// The same of cards with graphics memory, which raise their clocks as soon as anything runs.
  package var graphicsFloorShare: Double
  /// Energy of the whole path per byte, as a multiple of what the memory takes at its pins.
  package var byteScale: Double
  package var picojoulesPerOperation: Double

  package init(
    floorShare: Double, graphicsFloorShare: Double, byteScale: Double, picojoulesPerOperation: Double
  ) {
    self.floorShare = floorShare
    self.graphicsFloorShare = graphicsFloorShare
    self.byteScale = byteScale
    self.picojoulesPerOperation = picojoulesPerOperation
  }

  /// Fitted to `profiles/energy/observations.json` and rounded; `anprobe accuracy` prints what it fits again, and scores
  /// each machine by a fit without it.
  package static let published = PowerCoefficients(
    floorShare: 0.092, graphicsFloorShare: 0.36, byteScale: 3.15, picojoulesPerOperation: 1.09)

  var values: [Double] { [floorShare, graphicsFloorShare, byteScale, picojoulesPerOperation] }

  init(_ values: [Double]) {
    self.init(
      floorShare: values[0], graphicsFloorShare: values[1], byteScale: values[2], picojoulesPerOperation: values[3])
  }
}

/// What of a device's figures its power depends on.
package struct PowerFacts: Sendable, Equatable {
  package var idleWatts: Double
  package var limitWatts: Double
  package var memoryTechnology: String?

  /// Where nobody says what a device takes at rest: the median share of its limit in the catalogue's 145 machines.
  static let usualIdleShare = 0.11

  package init(idleWatts: Double?, limitWatts: Double, memoryTechnology: String?) {
    self.idleWatts = min(limitWatts, idleWatts ?? limitWatts * Self.usualIdleShare)
    self.limitWatts = limitWatts
    self.memoryTechnology = memoryTechnology
  }

  var hasGraphicsMemory: Bool { memoryTechnology?.uppercased().hasPrefix("GDDR") ?? false }

  /// Watts that each coefficient multiplies, for bytes and operations per second.
  func terms(bytes: Double, operations: Double) -> [Double] {
    let above = limitWatts - idleWatts
    return [
      hasGraphicsMemory ? 0 : above, hasGraphicsMemory ? above : 0,
      MemoryEnergy.picojoulesPerByte(memoryTechnology) * bytes * 1e-12, operations * 1e-12,
    ]
  }
}

extension PowerCoefficients {
  /// Watts while working at these rates.
  package func watts(_ facts: PowerFacts, bytes: Double, operations: Double) -> Double {
    let terms = zip(values, facts.terms(bytes: bytes, operations: operations))
    return min(facts.limitWatts, terms.reduce(facts.idleWatts) { $0 + $1.0 * $1.1 })
  }
}
