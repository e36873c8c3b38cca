// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Compression
import Evidence
import Planning
import Quantities

extension StudyStage: ExpressibleByArgument {}

struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study",
    abstract: "Makes, measures and judges the variants of a model, and writes one report of them.",
    discussion: """
      Every step's result is kept in the folder: a study that was stopped goes on where it was, also within a training.
      Variants that cannot be made here are listed with the reason; those that are the result of training (LoRA after
      pruning, QLoRA, students) need a text to learn from. With --only and --again single variants are done anew.

      Examples:
        anprobe study model-f16.gguf --text book.txt --out study
        anprobe study model-f16.gguf --text book.txt --tasks arc.jsonl --limit 40 --out study
        anprobe study model-f16.gguf --text valid.txt --train train.txt --steps 150 --seeds 3 --out study
        anprobe study model-f16.gguf --text book.txt --out study --only awq4-g128 --again make
      """)

  @Argument(help: "A GGUF file in f32, f16 or bf16.") var file: String
  @Option(
    help: ArgumentHelp(
      "A text file, or the text itself; without --calibration its first half calibrates and its second judges.",
      valueName: "text"))
  var text: String
  @Option(help: ArgumentHelp("A text that says which weights matter.", valueName: "text")) var calibration: String?
  @Option(help: ArgumentHelp("Questions, as evaluate takes them.", valueName: "file")) var tasks: String?
  @Option(help: ArgumentHelp("The folder of the study.", valueName: "folder")) var out = "study"
  @Option(help: ArgumentHelp("At most so many windows and questions.", valueName: "count"), transform: TokenCount.parse)
  var limit: Int?
  @Option(
    name: [.customShort("v"), .long], help: ArgumentHelp("A variant besides the usual ones.", valueName: "variant"))
  var variant: [String] = []
  @Option(help: ArgumentHelp("A text to learn from, for the variants that are trained.", valueName: "text"))
  var train: String?
  @Option(help: ArgumentHelp("Steps of each training.", valueName: "count")) var steps = 150
  @Option(help: ArgumentHelp("Train students with so many seeds.", valueName: "count")) var seeds = 1
  @Option(help: ArgumentHelp("Work on this variant alone (repeatable).", valueName: "variant")) var only: [String] = []
  @Option(help: ArgumentHelp("Make, measure or judge them anew.", valueName: "stage")) var again: StudyStage?
  @Option(help: ArgumentHelp("A sentence for the report.", valueName: "text")) var note: String?
  @Option(help: ArgumentHelp("Samples of each measurement.", valueName: "count")) var samples = 5
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard steps > 0, samples > 0, (1...Self.mostSeeds).contains(seeds) else {
      throw ValidationError("--steps and --samples begin at 1, --seeds lies from 1 to \(Self.mostSeeds).")
    }
  }

  private static let mostSeeds = 20

  func run() throws {
    let console = common.console
    Interrupt.shared.listen()
    let study: Study
    do {
      study = try common.session.study(file, try options(console))
      console.endProgress()
    } catch {
      console.endProgress()
      throw error
    }
    guard !common.json else { return console.answer(command: "study", study.members) }
    show(study, console)
  }

  private func options(_ console: Console) throws -> StudyOptions {
    var options = StudyOptions(
      folder: out, text: text, calibration: calibration, tasks: tasks, limit: limit,
      variants: try variant.map { try CompressionVariant(parsing: $0) },
      training: train.map { StudyTraining(text: $0, steps: steps, seeds: seeds) }, command: Self.commandLine,
      running: MeasuringOptions(
        samples: samples, threads: threads.wish, toolVersion: Version.current, progress: { console.progress($0) },
        isCancelled: { Interrupt.shared.isRequested }))
    (options.only, options.again, options.note) = (only, again, note)
    return options
  }

  /// The command that makes the whole study: without what does single variants anew.
  private static var commandLine: String {
    ReportCommand.commandLine(leavingOut: ["--only", "--again"])
  }

  private func show(_ study: Study, _ console: Console) {
    var table = TextTable([
      ("VARIANT", .left), ("BITS", .right), ("DECODE t/s", .right), ("PERPLEXITY", .right), ("KL", .right),
    ])
    for entry in study.entries where entry.evaluation != nil {
      table.append([
        StyledText(entry.label), number(entry.bitsPerWeight, 2), number(entry.rate("decode"), 0),
        number(entry.judged("text", "perplexity")?.value, 3), number(entry.judged("divergence", "mean")?.value, 5),
      ])
    }
    console.answer(table)
    let missing = study.entries.filter { $0.refusal != nil }
    if !missing.isEmpty { console.answer([""] + missing.map { "\($0.label): \($0.refusal ?? "")" }) }
    console.notice("Written: \(out)/study.html, study.md, study.json")
  }

  private func number(_ value: Double?, _ decimals: Int) -> StyledText {
    value.map { StyledText(QuantityFormat.fixed($0, decimals: decimals)) } ?? StyledText("–", .faint)
  }
}
