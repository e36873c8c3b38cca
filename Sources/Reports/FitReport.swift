// SPDX-License-Identifier: Apache-2.0
internal import Compression
package import CostModel
package import Evidence
internal import Hardware
internal import Quantities
package import Recommender

/// The hardware fit report: what fits on one machine, why, and how we know.
package struct FitReport: Sendable {
  /// One model in its best variant.
  package struct Row: Sendable {
    package var identifier: String
    package var best: CostEstimate
    package init(identifier: String, best: CostEstimate) {
      self.identifier = identifier
      self.best = best
    }
  }

  package var platform: Platform
  package var workload: Workload
  package var objective: Objective
  /// Those that satisfy the constraints, the best first.
  package var fitting: [Row]
  package var modelCount: Int
  package var estimateCount: Int
  /// One model's variants on this machine, and what is recommended of them.
  package var focus: (recommendation: Recommendation, estimates: [CostEstimate])?
  /// Estimates against what was measured here.
  package var validation: Validation
  /// The command that makes the report.
  package var command: String
  package var date: String

  static let shownRows = 25
  static let shownBars = 20

  package init(
    platform: Platform, workload: Workload, objective: Objective, fitting: [Row], modelCount: Int, estimateCount: Int,
    focus: (recommendation: Recommendation, estimates: [CostEstimate])?, validation: Validation, command: String,
    date: String
  ) {
    self.platform = platform
    self.workload = workload
    self.objective = objective
    self.fitting = fitting
    self.modelCount = modelCount
    self.estimateCount = estimateCount
    self.focus = focus
    self.validation = validation
    self.command = command
    self.date = date
  }

  package var document: ReportDocument {
    ReportDocument(
      title: "What fits on \(platform.device?.name ?? platform.machine.name)",
      blocks: summary + machine + table + memoryPlot + speedPlot + focusPart + validationPart + knowledge + origin)
  }

  private var summary: [ReportDocument.Block] {
    let best = fitting.first
    let first = best.map {
      " First of them is \($0.identifier) as \($0.best.variant.name): \(Text.known($0.best.memory.total)) of memory, "
        + "decoding \(Text.known($0.best.decode))."
    }
    return [
      .paragraph(
        "\(fitting.count) of \(modelCount) models fit in at least one variant, with a context of "
          + "\(workload.contextTokens) tokens for \(workload.sequences == 1 ? "one sequence" : "\(workload.sequences) sequences") "
          + "and a margin of 8 % of the usable memory.\(first ?? "")")
    ]
  }

  private var machine: [ReportDocument.Block] {
    let device = platform.device
    var facts: [(String, String)] = [("Run by", platform.engine.rawValue)]
    if let device {
      facts += [
        ("Device", platform.deviceNames ?? device.name),
        ("Memory bandwidth", Text.known(device.bandwidth)), ("16-bit arithmetic", Text.known(device.peaks.float16)),
        ("Power limit", Text.known(device.power.thermalDesign)),
      ]
    } else {
      let processor = platform.machine.processor
      let assumed = processor.coreAssumption.map { " assumed: \($0)" } ?? ""
      let cores = "\(processor.coreCount)\(assumed), \(platform.threads) used"
      facts += [
        ("Processor", platform.machine.name), ("Cores", cores),
        ("Instruction sets used", processor.instructionSets.filter(\.isWorthUsing).map(\.name).joined(separator: ", ")),
      ]
    }
    facts += [
      ("Usable memory", "\(Text.known(platform.capacity.usable)): \(platform.capacity.label)"), ("Speeds", speedSource),
      ("Energy", platform.energy.reason ?? platform.energy.source),
    ]
    return [
      .heading("The machine"),
      .table(columns: [.init("Fact"), .init("Value")], rows: facts.filter { !$0.1.isEmpty }.map { [$0.0, $0.1] }),
    ]
  }

  private var speedSource: String {
    switch platform.speed {
    case .success(let speed): "\(speed.basis.rawValue): \(speed.source)"
    case .failure(let failure): "unknown: \(failure.reason)"
    }
  }

  private var table: [ReportDocument.Block] {
    let columns: [ReportDocument.Column] = [
      .init("Model"), .init("Variant"), .init("Bits/weight", isNumeric: true), .init("Memory", isNumeric: true),
      .init("Fits"), .init("Decode, tokens/s", isNumeric: true),
      .init("Prefill, tokens/s", isNumeric: true),
      .init("First token", isNumeric: true), .init("Energy/token", isNumeric: true), .init("Loss"),
    ]
    let rows = fitting.prefix(Self.shownRows).map { row -> [String] in
      let estimate = row.best
      return [
        row.identifier + (estimate.obstacle == nil ? "" : " *"), estimate.variant.name,
        QuantityFormat.fixed(estimate.bitsPerWeight, decimals: 2), Text.known(estimate.memory.total),
        estimate.verdict?.rawValue ?? "unknown", Text.number(estimate.decode), Text.number(estimate.prefill),
        Text.known(estimate.timeToFirstToken), Text.known(estimate.energyPerToken),
        estimate.quality.grade?.rawValue ?? "unknown",
      ]
    }
    return [
      .heading("What fits"), .paragraph("Of each model \(objective.sentence)."), .table(columns: columns, rows: rows),
      .paragraph("* sized and timed by the same rules; the engine does not run this model type or format yet."),
    ]
  }
}
