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
  @OptionGroup var common: CommonOptions

  func run() throws {
    let variant = try CompressionVariant(parsing: variant)
    let session = common.session
    try machine.prepare(session, common.console) { _ = try session.description(of: model.reference) }
    let estimator = try session.estimator(model.reference, machine.request(workload.workload()), for: variant)
    let estimate = estimator.estimate(variant)
    let terms = estimator.terms(of: estimate)
    let face = try training.plan.map { plan in
      TrainingFace(
        plan: plan, memory: try TrainingMemory(try session.description(of: model.reference), plan),
        platform: estimator.platform, prefill: estimate.prefill)
    }
    if common.json {
      common.console.answer(
        command: "estimate",
        estimate.json + [
          .init("machine", estimator.platform.json),
          .init("bill", tariff.json(EnergyBill(perToken: estimate.energyPerToken))),
          .init("terms", .array(terms.map(\.json))),
          .init("training", face?.json ?? .null),
          .init("notes", .array(estimator.description.notes.map { .string($0.sentence) })),
        ])
    } else {
      EstimateFace(estimator: estimator, estimate: estimate, terms: terms, tariff: tariff, explains: explain).show(
        common.console)
      face?.show(common.console)
    }
    if estimate.fits == false { throw ExitStatus.nothingFits }
  }
}
