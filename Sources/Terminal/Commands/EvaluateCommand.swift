// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import Evidence
import Inference
import JSONText
import Planning
import Quantities

extension WindowMethod: ExpressibleByArgument {}

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Judges a file's model: perplexity of a text, divergence from a reference, answers to questions.",
    discussion: """
      With --reference both models run side by side, and the answer says how far the file's next-token distributions
      are from the reference's. Ctrl-C keeps what was judged so far.

      Examples:
        anprobe evaluate model-q4_k_m.gguf --text book.txt
        anprobe evaluate model-q4_k_m.gguf --reference model-f16.gguf --text book.txt --limit 20
        anprobe evaluate model.gguf --tasks arc.jsonl --json
      """)

  @Argument(help: "A GGUF file with weights and vocabulary.") var file: String
  @Option(help: ArgumentHelp("Compare with this model, whose distributions are the truth.", valueName: "file"))
  var reference: String?
  @Option(help: ArgumentHelp("A text file, or the text itself.", valueName: "text")) var text: String?
  @Option(
    help: ArgumentHelp(
      "Questions, one JSON object per line: question, choices, answer; or rows of Winogrande, HellaSwag, ARC, TruthfulQA.",
      valueName: "file"))
  var tasks: String?
  @Option(
    help: ArgumentHelp(
      "strided (overlapping), halves (as llama.cpp) or rolling (as lm-evaluation-harness).", valueName: "method"))
  var method: WindowMethod = .strided
  @Option(
    name: [.customShort("c"), .long], help: ArgumentHelp("Tokens of a window.", valueName: "tokens"),
    transform: TokenCount.parse)
  var context = 512
  @Option(
    help: ArgumentHelp("Tokens by which a strided window moves on (default: half a window).", valueName: "tokens"),
    transform: TokenCount.parse)
  var stride: Int?
  @Option(
    help: ArgumentHelp(
      """
      Also ask so many questions made of the text: what comes next, and what stood there long before. \
      Perplexity hides what pruning destroys of both.
      """, valueName: "count"), transform: TokenCount.parse)
  var probes: Int?
  @Option(
    help: ArgumentHelp("At most so many windows and questions of a task.", valueName: "count"),
    transform: TokenCount.parse)
  var limit: Int?
  @Option(help: ArgumentHelp("Format of the KV cache: f16, q8_0 or f32.", valueName: "format"))
  var kv: KeyValueFormat = .f16
  @OptionGroup var threads: ThreadOptions
  @Option(help: ArgumentHelp("\(KernelSet.Name.list) (default: the best but amx).", valueName: "set"))
  var kernels: String?
  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "A LoRA adapter kept apart: a PEFT folder or a GGUF file, perhaps with a scale; may be repeated.",
      valueName: "path[=scale]"))
  var adapters: [String] = []
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard text != nil || tasks != nil else {
      throw ValidationError("Say what to judge by: --text TEXT, --tasks FILE or both.")
    }
    guard probes == nil || text != nil else {
      throw ValidationError("--probes are made of a text: give --text as well.")
    }
    guard reference == nil || text != nil else {
      throw ValidationError("--reference compares the distributions over a text: give --text as well.")
    }
  }

  func run() throws {
    let console = common.console
    Interrupt.shared.listen()
    var options = EvaluatingOptions(
      text: text, tasks: tasks, method: method, contextTokens: context, strideTokens: stride, limit: limit,
      probes: probes ?? 0,
      keyValueFormat: kv,
      running: MeasuringOptions(
        threads: threads.wish, kernels: kernels, toolVersion: Version.current, progress: { console.progress($0) },
        isCancelled: { Interrupt.shared.isRequested }))
    options.running.adapters = adapters.map(AdapterReference.init(parsing:))
    let evaluation: Evaluation
    do {
      evaluation = try common.session.evaluate(file, reference: reference, options)
      console.endProgress()
    } catch {
      console.endProgress()
      throw error
    }
    if common.json {
      console.answer(command: "evaluate", evaluation.members)
    } else {
      EvaluationFace(evaluation: evaluation).show(console)
    }
    if !evaluation.isComplete { throw ExitStatus.failure }
  }
}
