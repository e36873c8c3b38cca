// SPDX-License-Identifier: Apache-2.0

/// Energy that moving a byte between a memory and its processor takes at the pins, by technology.
///
/// - Source: Horowitz (ISSCC 2014) and vendors' figures per bit: DDR3 and DDR4 160 to 320 pJ per byte, DDR5 100 to 160,
///   LPDDR4X 40 to 60, LPDDR5 30 to 45, GDDR5 112, GDDR6 60, GDDR6X 58, HBM2 31, HBM2e 48, HBM3 30 to 45. The middles
///   stand here; GDDR7 and LPDDR4 count as their nearest relatives.
package enum MemoryEnergy {
  private static let picojoules: [(prefix: String, perByte: Double)] = [
    ("HBM3", 38), ("HBM2E", 48), ("HBM", 31), ("GDDR5", 112), ("GDDR6X", 58), ("GDDR", 60), ("LPDDR5", 38),
    ("LPDDR", 50), ("DDR5", 130), ("DDR", 240),
  ]
  /// Where nobody says which memory it is.
  static let usual = 60.0

  package static func picojoulesPerByte(_ technology: String?) -> Double {
    let name = technology?.uppercased() ?? ""
    return picojoules.first { name.hasPrefix($0.prefix) }?.perByte ?? usual
  }
}
