// SPDX-License-Identifier: Apache-2.0
import Evidence
import Quantities

/// A profile by operator for people.
struct ProfileFace {
  let profile: OperatorProfile

  func show(_ console: Console) {
    for (name, phase) in [("Prefill", profile.prefill), ("Decode", profile.decode)] {
      guard let phase else { continue }
      console.answer([
        "",
        "\(name), per token: \(Seconds(phase.seconds)), of which the operators explain "
          + Self.percent(phase.explainedFraction)
          + (phase.undisturbedSeconds.map { "; \(Seconds($0)) with each layer at its lower quartile" } ?? ""),
      ])
      console.answer(table(phase))
    }
    console.answer(["", limits])
    if let reads = profile.limits.meanwhile.readBytesPerSecond, let decode = profile.decode {
      console.answer([Self.meanwhile(reads, decode)])
    }
    if let rates = profile.limits.meanwhile.tiles { console.answer([Self.meanwhile(rates)]) }
  }

  private var limits: String {
    let limits = profile.limits
    let arithmetic = [
      (limits.floatOperationsPerSecond, "32-bit floats"), (limits.integerOperationsPerSecond, "8-bit integers"),
      (limits.wordOperationsPerSecond, "16-bit integers"), (limits.tileOperationsPerSecond, "16-bit floats in tiles"),
    ].filter { $0.0 > 0 }.map { "\(OperationRate(magnitude: $0.0)) on \($0.1)" }
    return
      "Limits of this machine, measured now: \(Bandwidth(magnitude: limits.readBytesPerSecond)) from memory; "
      + "\(arithmetic.joined(separator: " and ")) from registers."
  }

  private static func meanwhile(_ reads: Double, _ decode: OperatorProfile.Phase) -> String {
    "Between the tokens loads alone read the weights at \(Bandwidth(magnitude: reads)); tokens read theirs and the cache at "
      + "\(Bandwidth(magnitude: decode.readBytesPerSecond)), \(percent(decode.readBytesPerSecond / reads)) of that."
  }

  private static func meanwhile(_ rates: OperatorProfile.TileRates) -> String {
    "Between the samples tiles did \(OperationRate(magnitude: rates.operationsPerSecond)) from registers, and "
      + "\(OperationRate(magnitude: rates.loadedOperationsPerSecond)) with loads from the caches, as products need them."
  }

  private func table(_ phase: OperatorProfile.Phase) -> TextTable {
    var table = TextTable([
      ("OPERATOR", .left), ("TIME", .right), ("SHARE", .right), ("BYTES", .right), ("RATE", .right),
      ("OPERATIONS", .right), ("RATE", .right), ("LIMIT", .left), ("REACHED", .right),
    ])
    for row in phase.rows { table.append(cells(row, of: phase)) }
    let rest = OperatorProfile.Row(name: "not explained", seconds: phase.unexplainedSeconds)
    table.append(cells(rest, of: phase))
    return table
  }

  private func cells(_ row: OperatorProfile.Row, of phase: OperatorProfile.Phase) -> [StyledText] {
    let none = StyledText("–", .faint)
    let binding = row.binding(profile.limits)
    return [
      StyledText(row.name), StyledText(Seconds(row.seconds).description),
      StyledText(Self.percent(row.seconds / phase.seconds)),
      row.bytes > 0 ? StyledText(ByteCount(magnitude: row.bytes).description) : none,
      row.bytesPerSecond.map { StyledText(Bandwidth(magnitude: $0).description) } ?? none,
      row.operations > 0 ? StyledText(OperationCount(row.operations).description) : none,
      row.operationsPerSecond.map { StyledText(OperationRate(magnitude: $0).description) } ?? none,
      binding.map { StyledText($0.limit.rawValue) } ?? none,
      binding.map { StyledText(Self.percent($0.fraction)) } ?? none,
    ]
  }

  private static func percent(_ fraction: Double) -> String {
    "\(QuantityFormat.fixed(fraction * 100, decimals: 1)) %"
  }
}
