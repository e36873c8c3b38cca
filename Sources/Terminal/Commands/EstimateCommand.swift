// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import CostModel
import JSONText
import LanguageModel
import Planning
import Quantities
import Reports

struct EstimateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "estimate",
    abstract: "One estimate, item by item: every term with its formula and how it is known.",
    discussion: """
      Examples:
        anprobe estimate tinyllama-1.1b --variant q4_k_m
        anprobe estimate --config config.json --variant f16 --context 32k --json
        anprobe estimate model.gguf
        anprobe estimate llama-3.1-8b --machine "RTX 4090" --engine transformers --train qlora-16 --checkpointing
        anprobe estimate llama-3-8b --machine "A100 80GB SXM" --engine transformers --variant awq4-g128 --no-fused-kernels
        anprobe estimate hf:Qwen/Qwen2.5-7B-Instruct --machine "RTX 3060" --variant q4_k_m
        anprobe estimate llama-3.1-8b --machine "RTX 4090" --engine llama.cpp --price 0.30 --grid DE
        anprobe estimate llama-3-70b --variant q4_k_m --machine "2x RTX 3090, nvlink"
        anprobe estimate llama-3-70b --variant q4_k_m --machine "RTX 3090 + RTX 4090"
        anprobe estimate llama-3-70b --variant q4_k_m --machine "RTX 4090, host-memory=64GB, host-bandwidth=80GB/s"
        anprobe estimate llama-3-70b --machine "4x A100 80GB SXM" --engine vllm --tensor-parallel 4
        anprobe estimate llama-3.1-8b --variant q8_0 --draft llama-3.2-1b --acceptance 0.7
      """)

  @OptionGroup var model: ModelOptions
  @Option(
    name: [.customShort("v"), .long],
    help: ArgumentHelp("How the weights are stored ('anprobe variants'); default: as published.", valueName: "variant"))
  var variant = "original"
  @Flag(help: "Also print what limits it, and where each figure comes from.")
  var explain = false
  @OptionGroup var workload: WorkloadOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var tariff: TariffOptions
  @OptionGroup var training: TrainingOptions
  @OptionGroup var drafting: DraftOptions
  @Option(
    help: ArgumentHelp(
      "The share of a draft's proposals that is accepted ('anprobe measure --draft' measures it).", valueName: "share"),
    transform: Share.parse)
  var acceptance: Double?
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (drafting.draft == nil) == (acceptance == nil) else {
      throw ValidationError("--draft and --acceptance go together: the gain depends on the share that is accepted.")
    }
    guard drafting.draft != "lookup" else { throw ValidationError("An estimate needs a model after --draft.") }
  }

  func run() throws {
    let variant = try CompressionVariant(parsing: variant)
    let session = common.session
    try machine.prepare(session, common.console) { _ = try session.description(of: model.reference) }
    let estimator = try session.estimator(model.reference, machine.request(workload.workload()), for: variant)
    let estimate = estimator.estimate(variant)
    let terms = estimator.terms(of: estimate)
    let face = try training.plan.map { plan in
      TrainingFace(
        estimate: try TrainingEstimate(
          try session.description(of: model.reference), plan, on: estimator.platform, prefill: estimate.prefill))
    }
    let drafting = try self.drafting(session, variant)
    if common.json {
      common.console.answer(
        command: "estimate",
        estimate.json + [
          .init("machine", estimator.platform.json),
          .init("bill", tariff.json(estimate.bill)),
          .init("terms", .array(terms.map(\.json))),
          .init("training", face.map { .object($0.members) } ?? .null),
          .init("drafting", drafting?.json ?? .null),
          .init("notes", .array(estimator.description.notes.map { .string($0.sentence) })),
        ])
    } else {
      EstimateFace(estimator: estimator, estimate: estimate, terms: terms, tariff: tariff, explains: explain).show(
        common.console)
      face?.show(common.console)
      if acceptance != nil { common.console.answer(["", drafting?.sentence ?? "Drafting: a speed is not known."]) }
    }
    if estimate.fits == false { throw ExitStatus.nothingFits }
  }

  private func drafting(_ session: PlanningSession, _ variant: CompressionVariant) throws -> SpeculativeDecoding? {
    guard let draft = drafting.draft, let acceptance else { return nil }
    return try session.drafting(
      model.reference, variant, draft: ModelReference(draft), tokens: drafting.draftTokens, acceptance: acceptance,
      machine.request(workload.workload()))
  }
}

extension SpeculativeDecoding {
  fileprivate var sentence: String {
    "Drafting  \(QuantityFormat.fixed(speedUp, decimals: 2)) × the decode speed of one sequence: "
      + "\(QuantityFormat.fixed(tokensPerRound, decimals: 2)) tokens per round, a draft's token "
      + "\(QuantityFormat.fixed(draftCost, decimals: 3)) of a model's, judging \(draftTokens) "
      + "\(QuantityFormat.fixed(verificationCost, decimals: 2))"
  }

  fileprivate var json: JSON {
    [
      "acceptance": .number(acceptance), "draftTokens": .integer(Int64(draftTokens)), "draftCost": .number(draftCost),
      "verificationCost": .number(verificationCost), "tokensPerRound": .number(tokensPerRound),
      "speedUp": .number(speedUp),
    ]
  }
}
