// SPDX-License-Identifier: Apache-2.0
import Evidence
import JSONText
import LanguageModel
import Quantities

/// Rows of kept weights beside dense ones, and the shares of zeros from which they win.
struct SparsityFace {
  let table: SparsityTable

  var members: [JSON.Member] {
    let formats = table.rows.map { row -> JSON in
      [
        "format": .string(row.format.name), "sparsity": row.sparsity.map { .number($0) } ?? .null,
        "foundBy": Self.finder(row).map { .string($0) } ?? .null, "bitsPerWeight": .number(row.format.bitsPerWeight),
        "decodeWeightsPerSecond": .number(row.decode), "prefillWeightsPerSecond": .number(row.prefill),
      ]
    }
    let limits = table.breakEvens.map { found -> JSON in
      func share(_ value: Double?) -> JSON { value.map { .number($0) } ?? .null }
      return [
        "dense": .string(found.dense.name), "memory": share(found.memory), "decode": share(found.decode),
        "prefill": share(found.prefill),
      ]
    }
    return [
      .init("kernelSet", .string(table.kernelSet)), .init("threads", .integer(Int64(table.threads))),
      .init("formats", .array(formats)), .init("breakEven", .array(limits)),
    ]
  }

  private static func finder(_ row: SparsityTable.Row) -> String? {
    row.sparsity == nil ? nil : row.format.isKeptList ? "list" : "mask"
  }

  func show(_ console: Console) {
    let threads = table.threads == 1 ? "1 thread" : "\(table.threads) threads"
    console.answer(["\(table.kernelSet) kernels, \(threads)", ""])
    var text = TextTable([
      ("FORMAT", .left), ("FOUND BY", .left), ("BITS/W", .right), ("DECODE", .right), ("AGAINST F16", .right),
      ("PREFILL", .right), ("AGAINST F16", .right),
    ])
    let dense = table.rows.first
    for row in table.rows {
      text.append([
        StyledText(row.format.name), StyledText(Self.finder(row) ?? "–"),
        StyledText(QuantityFormat.threeDigits(row.format.bitsPerWeight)), Self.rate(row.decode),
        Self.ratio(row.decode, dense?.decode), Self.rate(row.prefill), Self.ratio(row.prefill, dense?.prefill),
      ])
    }
    console.answer(text)
    console.answer(
      ["", "Decode and prefill: billions of weights per second and token, zeros included.", ""]
        + table.breakEvens.map(Self.sentence))
  }

  private static func rate(_ perSecond: Double) -> StyledText {
    StyledText(QuantityFormat.threeDigits(perSecond / 1e9))
  }

  private static func ratio(_ rate: Double, _ dense: Double?) -> StyledText {
    guard let dense, dense > 0 else { return StyledText("–", .faint) }
    return StyledText("\(QuantityFormat.fixed(rate / dense, decimals: 2))×")
  }

  private static func sentence(_ found: SparsityTable.BreakEven) -> String {
    func from(_ share: Double?) -> String {
      share.map { "from \(QuantityFormat.fixed($0 * 100, decimals: 1)) % zeros" } ?? "at none of these"
    }
    return "Beats \(found.dense.name) in memory \(from(found.memory)); here in decode \(from(found.decode)), "
      + "in prefill \(from(found.prefill))."
  }
}
