// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import CostModel
import JSONText
import Planning
import Quantities
import Recommender
import Reports

struct FitsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fits",
    abstract: "What fits on this machine: every known model in its best variant.",
    discussion: """
      Examples:
        anprobe fits
        anprobe fits qwen llama --context 16k --kv q8_0
        anprobe fits --machine "RTX 4090" --objective quality
        anprobe fits --machine kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,tdp=450W
        anprobe fits --min-speed 10 --max-energy 5 --json
        anprobe fits --train qlora-16 --checkpointing --machine "RTX 4090"
      """)

  @Argument(help: "Words of the models' names (default: the whole catalogue).")
  var models: [String] = []

  @OptionGroup var workload: WorkloadOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var choice: ChoiceOptions
  @OptionGroup var training: TrainingOptions
  @OptionGroup var common: CommonOptions

  @Option(
    name: [.customShort("v"), .long], help: ArgumentHelp("Only these variants.", valueName: "variant"))
  var variant: [String] = []

  @Flag(help: "List every variant of every model, not the best alone.")
  var all = false

  @Option(help: ArgumentHelp("Rows to print for people; 0 prints all.", valueName: "count"))
  var limit = 25

  func validate() throws {
    guard training.train == nil || variant.isEmpty && !all && !choice.constrains else {
      throw ValidationError(
        "--train asks for memory alone and says how a model is loaded: leave out --variant, --all and constraints.")
    }
  }

  func run() throws {
    let session = common.session
    if let plan = training.plan { return try answer(plan, session) }
    let variants = try variant.map { try CompressionVariant(parsing: $0) }
    try machine.prepare(session, common.console) { _ = try session.entries(named: models) }
    let answer = try session.fits(
      models, machine.request(workload.workload()), objective: choice.objective,
      constraints: choice.constraints(mustRun: false),
      variants: variants.isEmpty ? CompressionVariant.offered : variants,
      keepsAll: all)
    if common.json {
      showJSON(answer)
    } else {
      FitsFace(answer: answer, limit: limit, showsAll: all).show(common.console)
    }
    if answer.fitting.isEmpty { throw ExitStatus.nothingFits }
  }

  /// Which models can be trained further.
  private func answer(_ plan: TrainingPlan, _ session: PlanningSession) throws {
    let workload = workload.workload()
    try machine.prepare(session, common.console) { _ = try session.entries(named: models) }
    let answer = try session.fits(models, training: plan, machine.request(workload))
    let face = TrainingFitsFace(answer: answer, limit: limit)
    if common.json {
      common.console.answer(command: "fits", face.members(workload))
    } else {
      face.show(common.console, workload: workload)
    }
    if answer.fitting.isEmpty { throw ExitStatus.nothingFits }
  }

  private func showJSON(_ answer: FitsAnswer) {
    let rows = answer.rows.flatMap { row in
      all
        ? row.all.map { Self.json(row, $0, isBest: $0.variant == row.best.variant) }
        : [Self.json(row, row.best, isBest: true)]
    }
    common.console.answer(
      command: "fits",
      [
        .init("machine", answer.platform.json), .init("workload", answer.workload.json),
        .init("objective", .string(answer.objective.rawValue)),
        .init("estimateCount", .integer(Int64(answer.estimateCount))), .init("rows", .array(rows)),
        .init(
          "unreadable",
          .array(answer.unreadable.map { ["model": .string($0.name), "reason": .string($0.reason)] })),
      ])
  }

  private static func json(_ row: FitsAnswer.Row, _ estimate: CostEstimate, isBest: Bool) -> JSON {
    .object(
      estimate.json + [
        .init("identifier", .string(row.name)), .init("isBest", .bool(isBest)),
        .init("release", .string(row.release)), .init("licence", .string(row.licence)),
        .init("ruledOut", isBest ? row.refusal.map { .string($0.sentence) } ?? .null : .null),
      ])
  }
}
