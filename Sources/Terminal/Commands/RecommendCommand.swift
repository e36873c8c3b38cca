// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import CostModel
import JSONText
import Planning
import Quantities
import Recommender
import Reports

struct RecommendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recommend",
    abstract: "The variant to use, why, what lost against it, what was ruled out, and the commands that run it.",
    discussion: """
      Examples:
        anprobe recommend qwen2.5-7b
        anprobe recommend llama-3-8b --objective speed --min-speed 8 --context 16k
        anprobe recommend mistral-7b-v0.1 --machine "Raspberry Pi 5 / CM5" --engine llama.cpp
        anprobe recommend llama-3-8b --variant q4_k_m --variant student:TinyLlama-1.1B
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var workload: WorkloadOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var choice: ChoiceOptions
  @Option(
    name: [.customShort("v"), .long], help: ArgumentHelp("Only these variants.", valueName: "variant"))
  var variant: [String] = []
  @OptionGroup var common: CommonOptions

  func run() throws {
    let session = common.session
    let variants = try variant.map { try CompressionVariant(parsing: $0) }
    try machine.prepare(session, common.console) { _ = try session.description(of: model.reference) }
    let (answer, platform) = try session.recommend(
      model.reference, machine.request(workload.workload()), objective: choice.objective,
      constraints: choice.constraints(mustRun: true),
      variants: variants.isEmpty ? CompressionVariant.offered : variants)
    if common.json { showJSON(answer, platform) } else { show(answer, platform) }
    if answer.choice == nil { throw ExitStatus.nothingFits }
  }

  private func showJSON(_ answer: Recommendation, _ platform: Platform) {
    common.console.answer(
      command: "recommend",
      [
        .init("machine", platform.json), .init("objective", .string(choice.objective.rawValue)),
        .init("choice", answer.choice.map { .object($0.json) } ?? .null),
        .init("reasons", .array(answer.reasons.map { .string($0) })),
        .init("warnings", .array(answer.warnings.map { .string($0) })),
        .init(
          "runnersUp",
          .array(answer.runnersUp.map { .object($0.estimate.json + [.init("comparison", .string($0.comparison))]) })),
        .init("paretoFront", .array(answer.front.map { .string($0.variant.name) })),
        .init(
          "ruledOut",
          .array(
            answer.ruledOut.map {
              ["variant": .string($0.estimate.variant.name), "reason": .string($0.refusal.sentence)]
            })),
        .init(
          "deploy",
          .array(answer.deploy.map { ["purpose": .string($0.purpose), "command": .string($0.command)] })),
      ])
  }

  private func show(_ answer: Recommendation, _ platform: Platform) {
    let console = common.console
    console.answer(PlatformFace(platform: platform, workload: workload.workload()).lines + [""])
    if let best = answer.choice {
      console.answer(StyledText("Use \(best.model) as \(best.variant.name).", .bold))
      console.answer(answer.reasons.map { "  \($0)" } + answer.warnings.map { "  Mind: \($0)" } + ["", "Runners-up"])
      console.answer(answer.runnersUp.map { "  \($0.estimate.variant.name): \($0.comparison)" })
      console.answer(["", "Commands"])
      console.answer(answer.deploy.map { "  \($0.command)    # \($0.purpose)" })
    } else {
      console.answer(["No variant satisfies this."])
    }
    guard !answer.ruledOut.isEmpty else { return }
    console.answer(["", "Ruled out"])
    console.answer(answer.ruledOut.map { "  \($0.estimate.variant.name): \($0.refusal.sentence)" })
  }
}
