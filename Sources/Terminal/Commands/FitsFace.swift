// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Planning
import Quantities
import Recommender

/// The table of `fits` for people.
struct FitsFace {
  let answer: FitsAnswer
  let limit: Int
  let showsAll: Bool

  func show(_ console: Console) {
    console.answer(PlatformFace(platform: answer.platform, workload: answer.workload).lines + [""])
    let fitting = answer.fitting
    let shown = limit > 0 ? Array(fitting.prefix(limit)) : fitting
    if !shown.isEmpty { console.answer(table(shown)) }
    console.answer([""] + summary(fitting: fitting.count, shown: shown.count))
  }

  private func table(_ rows: [FitsAnswer.Row]) -> TextTable {
    var table = TextTable([
      ("MODEL", .left), ("VARIANT", .left), ("BITS/W", .right), ("MEMORY", .right), ("FITS", .left),
      ("DECODE t/s", .right), ("PREFILL t/s", .right), ("FIRST TOKEN", .right), ("J/TOKEN", .right), ("LOSS", .left),
    ])
    for row in rows {
      for estimate in showsAll ? row.all : [row.best] { table.append(cells(row.name, estimate)) }
    }
    return table
  }

  private func cells(_ name: String, _ estimate: CostEstimate) -> [StyledText] {
    let mark = estimate.obstacle == nil ? "" : "*"
    return [
      StyledText(name + mark), StyledText(estimate.variant.name),
      StyledText(QuantityFormat.fixed(estimate.bitsPerWeight, decimals: 2)), EstimateCells.bytes(estimate.memory.total),
      EstimateCells.verdict(estimate.verdict), EstimateCells.rate(estimate.decode),
      EstimateCells.rate(estimate.prefill),
      EstimateCells.time(estimate.timeToFirstToken), EstimateCells.energy(estimate.energyPerToken),
      EstimateCells.grade(estimate.quality),
    ]
  }

  private func summary(fitting: Int, shown: Int) -> [String] {
    var lines: [String] = []
    let total = answer.rows.count
    lines.append(
      "\(fitting) of \(total) models fit in at least one variant (\(answer.estimateCount) estimates); "
        + "best by \(answer.objective.rawValue).")
    if shown < fitting { lines.append("Shown are \(shown); --limit 0 shows all.") }
    if answer.fitting.prefix(shown).contains(where: { $0.best.obstacle != nil }) {
      lines.append("* sized and timed by the same rules, but the built-in runtime does not run this model type yet.")
    }
    if !answer.unreadable.isEmpty {
      lines.append("\(answer.unreadable.count) models could not be described in this variant; --json says why.")
    }
    if fitting == 0 {
      lines.append("Ask for less context, fewer users, --kv q8_0, or looser constraints.")
    }
    return lines
  }
}
