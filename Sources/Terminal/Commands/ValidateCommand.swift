// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import CostModel
import Evidence
import JSONText
import Planning
import Quantities

struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Holds the estimates against live runs: a table of errors; exit code 1 beyond the tolerance.",
    discussion: """
      Without models and variants: TinyLlama-1.1B in every format of the runtime, Qwen2.5-0.5B and Llama-3-8B in three.
      Formats with kernels of their own and those that are decoded to floats first are judged apart.

      Examples:
        anprobe validate
        anprobe validate --quick
        anprobe validate tinyllama-1.1b qwen2.5-0.5b --variant q8_0 --variant q4_k_m
        anprobe validate llama-3-8b --tolerance 0.1 --json
      """)

  @Argument(help: "Models (default: TinyLlama-1.1B).") var models: [String] = []
  @Option(
    name: [.customShort("v"), .long],
    help: ArgumentHelp("Variants (default: every format of the runtime).", valueName: "variant"))
  var variant: [String] = []
  @Option(
    help: ArgumentHelp(
      "Several of them, separated by commas; 'checkpoints' stands for those of Hugging Face checkpoints.",
      valueName: "list"))
  var variants: String?
  @Option(
    help: ArgumentHelp(
      "The largest median error of each quantity, such as 0.1 (default: memory 0.03, prefill 0.10, decode 0.05).",
      valueName: "fraction"), transform: PositiveNumber.parse)
  var tolerance: Double?
  @Flag(
    inversion: .prefixedNo,
    help: "Measure the kernels first, if not done within the hour, and a variant's by turns with its runs.")
  var calibrate = true
  @Flag(help: "Three formats of one model instead of all formats.") var quick = false
  @OptionGroup var workload: WorkloadOptions
  @OptionGroup var runOptions: RunOptions
  @OptionGroup var common: CommonOptions

  private func cases() throws -> PlanningSession.ValidationCases {
    let usual = try PlanningSession.usualCases(isQuick: quick)
    let named = variant + (variants == "checkpoints" ? PlanningSession.checkpointVariants : Self.list(variants))
    guard !models.isEmpty || !named.isEmpty else { return usual }
    let variants = try named.map { try CompressionVariant(parsing: $0) }
    let references = models.isEmpty ? [usual[0].model] : models.map(ModelReference.init)
    return references.map { ($0, variants.isEmpty ? usual[0].variants : variants) }
  }

  func run() throws {
    let console = common.console
    let session = common.session
    Interrupt.shared.listen()
    let validation = try session.validate(
      try cases(), workload.workload(), runOptions.options(console), calibrates: calibrate)
    console.endProgress()
    let allowed = tolerances
    let failures = validation.failures(tolerance: allowed)
    if common.json {
      let limits = Validation.Quantity.allCases.map { JSON.Member($0.rawValue, .number(allowed[$0] ?? 0)) }
      console.answer(
        command: "validate",
        validation.members + [
          .init("tolerance", .object(limits)), .init("passed", .bool(failures.isEmpty)),
          .init("complete", .bool(!Interrupt.shared.isRequested)),
        ])
    } else {
      show(validation, console)
    }
    if !failures.isEmpty || Interrupt.shared.isRequested { throw ExitStatus.failure }
  }

  private static func list(_ text: String?) -> [String] { text?.split(separator: ",").map(String.init) ?? [] }

  private var tolerances: [Validation.Quantity: Double] {
    [.memory: tolerance ?? 0.03, .prefill: tolerance ?? 0.1, .decode: tolerance ?? 0.05]
  }

  private func show(_ validation: Validation, _ console: Console) {
    var table = TextTable([
      ("MODEL", .left), ("VARIANT", .left), ("QUANTITY", .left), ("ESTIMATE", .right), ("MEASURED", .right),
      ("ERROR", .right),
    ])
    for row in validation.rows {
      let error = "\(row.relativeError < 0 ? "" : "+")\(QuantityFormat.fixed(row.relativeError * 100, decimals: 1)) %"
      table.append([
        StyledText(row.model), StyledText(row.variant), StyledText(row.quantity.rawValue),
        StyledText(Self.text(row.estimate, row.quantity)), StyledText(Self.text(row.measured, row.quantity)),
        StyledText(error, row.isInsideInterval ? .plain : .caution),
      ])
    }
    console.answer(table)
    console.answer([""])
    for kernels in Validation.groups { console.answer(medians(validation, kernels)) }
    console.answer(validation.skipped.map { "Not measured: \($0.reason)" })
  }

  private func medians(_ validation: Validation, _ kernels: KernelSupport) -> [String] {
    Validation.Quantity.allCases.compactMap { quantity in
      guard let error = validation.medianAbsoluteError(quantity, kernels: kernels) else { return nil }
      let allowed = tolerances[quantity] ?? 0
      let limit = QuantityFormat.fixed(allowed * 100, decimals: 0)
      return
        "\(quantity.rawValue)\(kernels == .fast ? "" : ", decoded formats"): median error "
        + "\(QuantityFormat.fixed(error * 100, decimals: 1)) %, allowed \(limit) %"
        + (error > allowed ? ": failed" : "")
    }
  }

  private static func text(_ value: Double, _ quantity: Validation.Quantity) -> String {
    quantity == .memory
      ? ByteCount(magnitude: value).description : TokenRate(magnitude: value).description
  }
}
