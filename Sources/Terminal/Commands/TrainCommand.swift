// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import Foundation
import JSONText
import Planning
import Quantities
import Training

extension FrozenBase: ExpressibleByArgument {}

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a small model here: all weights, a low-rank adapter, or a student that follows a teacher.",
    discussion: """
      For models of the llama family in GGUF files. With --lora the file's weights stay as they are, in any format
      (a quantised base, or --base nf4, makes it QLoRA), and the result is a GGUF adapter, or the whole model with --merged. With
      --teacher the loss is mixed with the distance from another file's distributions. Ctrl-C keeps the state beside
      the output, and --resume goes on from it.

      Examples:
        anprobe train model-f16.gguf adapter.gguf --text book.txt --lora 16
        anprobe train model-f16.gguf cut.gguf --layers 0-4,7 --lora 16 --merged --text book.txt --valid other.txt
        anprobe train model-f16.gguf student.gguf --student-layers 2 --teacher model-f16.gguf --text book.txt
      """)

  @Argument(help: "A GGUF file with weights and vocabulary.") var input: String
  @Argument(help: "The GGUF file to make.") var output: String
  @Option(help: ArgumentHelp("The text to learn from: a file, or the text itself.", valueName: "text"))
  var text: String
  @Option(help: ArgumentHelp("A text that judges before and after.", valueName: "text")) var valid: String?

  @Option(help: ArgumentHelp("Train adapters of this rank beside frozen weights.", valueName: "rank"))
  var lora: Int?
  @Option(help: ArgumentHelp("What scales adapters, by alpha / rank (default: twice the rank).", valueName: "alpha"))
  var loraAlpha: Double?
  @Option(help: ArgumentHelp("Round the frozen matrices to nf4 or fp4 first (QLoRA).", valueName: "levels"))
  var base: FrozenBase?
  @Flag(help: "Add the adapters to the weights and write the whole model.") var merged = false
  @Option(help: ArgumentHelp("Keep only these layers of the file, such as 0-4,7.", valueName: "layers"))
  var layers: String?
  @Option(help: ArgumentHelp("Start a student of so many layers with random weights.", valueName: "count"))
  var studentLayers: Int?
  @Option(help: ArgumentHelp("The student's width (default: the file's).", valueName: "width")) var studentWidth: Int?
  @Option(help: ArgumentHelp("The student's feed-forward width (default: in proportion).", valueName: "width"))
  var studentInner: Int?

  @Option(help: ArgumentHelp("Follow this model's distributions.", valueName: "file")) var teacher: String?
  @Option(help: ArgumentHelp("Softens both distributions.", valueName: "number"), transform: PositiveNumber.parse)
  var temperature = 2.0
  @Option(help: ArgumentHelp("The teacher's share of the loss, from 0 to 1.", valueName: "share")) var alpha = 0.5

  @Option(help: ArgumentHelp("Steps of the optimiser.", valueName: "count")) var steps = 200
  @Option(help: ArgumentHelp("The highest learning rate.", valueName: "rate"), transform: PositiveNumber.parse)
  var lr = 1e-3
  @Option(help: ArgumentHelp("Steps of rising rate (default: a twentieth).", valueName: "count")) var warmup: Int?
  @Option(help: ArgumentHelp("Windows per step.", valueName: "count")) var batch = 4
  @Option(
    name: [.customShort("c"), .long], help: ArgumentHelp("Tokens of a window.", valueName: "tokens"),
    transform: TokenCount.parse)
  var context = 256
  @Option(help: ArgumentHelp("Repeats the same random numbers.", valueName: "number")) var seed: UInt64 = 1
  @Flag(help: "Go on from the state that an interrupted run left.") var resume = false
  @Option(
    name: [.customShort("t"), .long], help: ArgumentHelp("Threads to run with.", valueName: "count"),
    transform: ThreadCount.parse)
  var threads: Int?
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard layers == nil || studentLayers == nil else {
      throw ValidationError("Give either --layers (the file's weights) or --student-layers (random ones), not both.")
    }
    guard studentLayers != nil || (studentWidth == nil && studentInner == nil) else {
      throw ValidationError("A student's widths need its layers: add --student-layers.")
    }
    guard lora == nil || studentLayers == nil else {
      throw ValidationError("An adapter needs weights worth keeping: leave out --lora or --student-layers.")
    }
    guard lora != nil || (!merged && loraAlpha == nil && base == nil) else {
      throw ValidationError("--merged, --lora-alpha and --base belong to --lora.")
    }
    guard (0...1).contains(alpha) else { throw ValidationError("--alpha is a share from 0 to 1, not \(alpha).") }
  }

  func run() throws {
    let console = common.console
    Interrupt.shared.listen()
    let record: TrainingRecord
    do {
      record = try common.session.train(input, to: output, options(console))
      console.endProgress()
    } catch {
      console.endProgress()
      throw error
    }
    guard !common.json else { return console.answer(command: "train", record.members) }
    show(record, console)
  }

  private func options(_ console: Console) throws -> ModelTrainingOptions {
    let start: TrainingRequest.Start =
      if let studentLayers {
        .student(StudentShape(layers: studentLayers, width: studentWidth, inner: studentInner))
      } else if let layers { .layers(try Self.layers(layers)) } else { .file }
    return ModelTrainingOptions(
      text: text, validation: valid, start: start,
      adaptation: lora.map { .lora(LoRASettings(rank: $0, alpha: loraAlpha, base: base)) } ?? .allWeights,
      merges: merged,
      teacher: teacher,
      loss: teacher == nil ? TokenLoss() : TokenLoss(teacherShare: alpha, temperature: temperature),
      settings: TrainingSettings(
        steps: steps, rate: lr, warmupSteps: warmup, batch: batch, context: context, seed: seed), resumes: resume,
      running: MeasuringOptions(
        threads: ThreadWish(threads: threads), toolVersion: Version.current, progress: { console.progress($0) },
        isCancelled: { Interrupt.shared.isRequested }))
  }

  /// `0-4,7` as the numbers that it stands for.
  static func layers(_ text: String) throws -> [Int] {
    try text.split(separator: ",").flatMap { part in
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last, last < 4096
      else { throw TrainingError.badLayers(text, count: 0) }
      return Array(first...last)
    }
  }

  private func show(_ record: TrainingRecord, _ console: Console) {
    var lines = [
      "\(record.output): \(record.model) as \(record.variant), \(record.bytes), \(record.steps) steps in "
        + "\(Seconds(record.seconds))",
      "\(record.trainedParameters) numbers trained, \(record.stateBytes) of them with gradients and moments"
        + (record.peakMemory.map { ", \($0) resident at most" } ?? ""),
      "loss \(QuantityFormat.threeDigits(record.firstLoss.total)) in the first tenth of the steps, "
        + "\(QuantityFormat.threeDigits(record.lastLoss.total)) in the last",
    ]
    if let judged = record.validation {
      lines.append(
        "perplexity of \(judged.tokens) validation tokens: \(QuantityFormat.threeDigits(exp(judged.before))) before, "
          + "\(QuantityFormat.threeDigits(exp(judged.after))) after")
    }
    console.answer(lines)
  }
}
