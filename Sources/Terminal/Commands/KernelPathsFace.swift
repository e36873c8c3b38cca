// SPDX-License-Identifier: Apache-2.0
import Inference
import JSONText
import LanguageModel
import Quantities

/// How a set of kernels multiplies each format, from its own dispatch.
struct KernelPathsFace {
  /// Stands for the best set where a name could be given.
  static let best = "best"

  let set: KernelSet

  /// Those of GGUF files, those of checkpoints, and rows that keep half of their weights or a twentieth.
  private var paths: [KernelPath] {
    let kept = [500, 50].compactMap {
      RuntimeFormat.keptRows(permille: $0, columns: RuntimeFormat.referenceColumns)
    }
    return (BlockFormat.allCases.map(RuntimeFormat.init) + RuntimeFormat.groups + kept).compactMap(set.path)
  }

  var members: [JSON.Member] {
    let rows = paths.map { path -> JSON in
      [
        "format": .string(path.format.name), "elementsPerBlock": .integer(Int64(path.format.elementsPerBlock)),
        "bitsPerWeight": .number(path.format.bitsPerWeight), "decode": Self.json(path.decode),
        "prefill": Self.json(path.prefill), "doubt": path.doubt.map { .string($0.rawValue) } ?? .null,
        "reason": path.doubt.map { .string($0.sentence) } ?? .null,
      ]
    }
    return [
      .init("kernelSet", .string(set.name.rawValue)),
      .init("available", .array(KernelSet.available.map { .string($0) })),
      .init(
        "refused",
        .array(Self.refusals.map { ["kernelSet": .string($0.name), "reason": .string($0.reason)] })),
      .init("formats", .array(rows)),
    ]
  }

  /// Sets whose instructions are here and that do not run all the same.
  private static var refusals: [(name: String, reason: String)] {
    KernelSet.Name.allCases.compactMap { name in KernelSet.refusal(of: name).map { (name.rawValue, $0) } }
  }

  private static func json(_ product: KernelPath.Product) -> JSON {
    ["layout": .string(product.layout.rawValue), "arithmetic": .string(product.arithmetic.rawValue)]
  }

  func show(_ console: Console) {
    console.answer([
      "\(set.name.rawValue) kernels, of \(KernelSet.available.joined(separator: ", ")) that run here"
    ])
    console.answer(Self.refusals.map { "Not \($0.name): \($0.reason)." } + [""])
    var table = TextTable([
      ("FORMAT", .left), ("BLOCK", .right), ("BITS/W", .right), ("DECODE", .left), ("PREFILL", .left),
      ("WHY SLOW", .left),
    ])
    for path in paths {
      let doubt = path.doubt.map { StyledText($0.rawValue.replacing("-", with: " "), .caution) }
      table.append([
        StyledText(path.format.name), StyledText("\(path.format.elementsPerBlock)"),
        StyledText(QuantityFormat.threeDigits(path.format.bitsPerWeight)), Self.cell(path.decode),
        Self.cell(path.prefill), doubt ?? StyledText("–", .faint),
      ])
    }
    console.answer(table)
    let doubts = Dictionary(grouping: paths.compactMap(\.doubt)) { $0 }.keys.sorted { $0.rawValue < $1.rawValue }
    console.answer(
      ["", "Panels: sixteen rows side by side; rows: the file's order. Integers: 8 bits on both sides."]
        + (paths.contains { $0.prefill.arithmetic == .words } ? ["Words: 16-bit integers on both sides."] : [])
        + (paths.contains { $0.prefill.arithmetic == .tiles } ? ["Tiles: 16-bit floats (bf16) on both sides."] : [])
        + doubts.map { "\($0.rawValue.replacing("-", with: " ")): \($0.sentence)." })
  }

  private static func cell(_ product: KernelPath.Product) -> StyledText {
    StyledText("\(product.layout.rawValue), \(product.arithmetic.rawValue)")
  }
}
