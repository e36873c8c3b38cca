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
        anprobe estimate hf:Qwen/Qwen2.5-7B-Instruct --machine "RTX 3060" --variant q4_k_m
      """)

  @OptionGroup var model: ModelOptions
  @Option(
    name: [.customShort("v"), .long],
    help: ArgumentHelp("How the weights are stored ('anprobe variants'); default: as published.", valueName: "variant"))
  var variant = "original"
  @OptionGroup var workload: WorkloadOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let variant = try CompressionVariant(parsing: variant)
    let session = common.session
    try machine.prepare(session, common.console) { _ = try session.description(of: model.reference) }
    let estimator = try session.estimator(model.reference, machine.request(workload.workload()), for: variant)
    let estimate = estimator.estimate(variant)
    let terms = estimator.terms(of: estimate)
    if common.json {
      common.console.answer(
        command: "estimate",
        estimate.json + [
          .init("machine", estimator.platform.json), .init("terms", .array(terms.map(\.json))),
          .init("notes", .array(estimator.description.notes.map { .string($0.sentence) })),
        ])
    } else {
      EstimateFace(estimator: estimator, estimate: estimate, terms: terms).show(common.console)
    }
    if estimate.fits == false { throw ExitStatus.nothingFits }
  }
}
