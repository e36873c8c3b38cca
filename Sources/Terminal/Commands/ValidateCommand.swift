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
      Examples:
        anprobe validate
        anprobe validate tinyllama-1.1b qwen2.5-0.5b --variant q8_0 --variant q4_k_m
        anprobe validate llama-3-8b --tolerance 0.1 --json
      """)

  @Argument(help: "Models (default: TinyLlama-1.1B, Qwen2.5-0.5B and Llama-3-8B).") var models: [String] = []
  @Option(
    name: [.customShort("v"), .long],
    help: ArgumentHelp("Variants (default: every format with a kernel of its own).", valueName: "variant"))
  var variant: [String] = []
  @Option(
    help: ArgumentHelp(
      "Several of them, separated by commas; 'checkpoints' stands for those of Hugging Face checkpoints.",
      valueName: "list"))
  var variants: String?
  @Option(
    help: ArgumentHelp(
      "The largest median error of each quantity, such as 0.1 (default: memory 0.03, prefill 0.12, decode 0.06).",
      valueName: "fraction"), transform: PositiveNumber.parse)
  var tolerance: Double?
  @Flag(inversion: .prefixedNo, help: "Measure this machine's kernels before each model.") var calibrate = true
  @OptionGroup var workload: WorkloadOptions
  @OptionGroup var runOptions: RunOptions
  @OptionGroup var common: CommonOptions

  static let usualModels = ["TinyLlama-1.1B", "Qwen2.5-0.5B", "Meta-Llama-3-8B"]

  func run() throws {
    let console = common.console
    let session = common.session
    Interrupt.shared.listen()
    let named =
      variant + (variants == "checkpoints" ? PlanningSession.checkpointVariants : Self.list(variants))
    let names = named.isEmpty ? PlanningSession.fastVariants : named
    let parsed = try names.map { try CompressionVariant(parsing: $0) }
    let references = (models.isEmpty ? Self.usualModels : models).map(ModelReference.init)
    let validation = try session.validate(
      references, parsed, workload.workload(), runOptions.options(console), calibrates: calibrate)
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
      show(validation, failures, console)
    }
    if !failures.isEmpty || Interrupt.shared.isRequested { throw ExitStatus.failure }
  }

  private static func list(_ text: String?) -> [String] { text?.split(separator: ",").map(String.init) ?? [] }

  private var tolerances: [Validation.Quantity: Double] {
    [.memory: tolerance ?? 0.03, .prefill: tolerance ?? 0.12, .decode: tolerance ?? 0.06]
  }

  private func show(_ validation: Validation, _ failures: [Validation.Quantity], _ console: Console) {
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
    for quantity in Validation.Quantity.allCases {
      guard let error = validation.medianAbsoluteError(quantity) else { continue }
      let limit = QuantityFormat.fixed((tolerances[quantity] ?? 0) * 100, decimals: 0)
      console.answer([
        "\(quantity.rawValue): median error \(QuantityFormat.fixed(error * 100, decimals: 1)) %, allowed \(limit) %"
          + (failures.contains(quantity) ? ": failed" : "")
      ])
    }
    console.answer(validation.skipped.map { "Not measured: \($0.reason)" })
  }

  private static func text(_ value: Double, _ quantity: Validation.Quantity) -> String {
    quantity == .memory
      ? ByteCount(magnitude: value).description : TokenRate(magnitude: value).description
  }
}
