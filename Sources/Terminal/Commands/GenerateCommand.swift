// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import Foundation
import Inference
import JSONText
import Planning

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continues a text with a model on this disk, on the built-in runtime.",
    discussion: """
      The next token is chosen in this order: penalties, top-k, typical, top-p, min-p, temperature, and a draw.

      Examples:
        anprobe generate model.gguf --prompt "Once upon a time"
        anprobe generate model.gguf --chat "Name three rivers." --system "Answer in one line."
        anprobe generate model.gguf --prompt "" --temperature 0 --tokens 200 --json
        anprobe generate model.gguf --prompts questions.txt --parallel 8
        anprobe generate model.gguf --prompt-cache letter.cache --prompt "A long letter ..."
        anprobe generate model.gguf --context 512 --context-shift --tokens 4000 --prompt "Once upon a time"
        anprobe generate large.gguf --draft small.gguf --prompt "Once upon a time"
      """)

  @Argument(help: "A GGUF file, or a folder with safetensors, config.json and tokenizer.json.") var file: String
  @Option(
    name: [.customShort("p"), .long], help: "The text to continue; empty starts from the beginning of a sequence.")
  var prompt: String?
  @Option(help: ArgumentHelp("Continue each line of this file, several at a time.", valueName: "file"))
  var prompts: String?
  @Option(
    help: ArgumentHelp("Lines of --prompts that run together.", valueName: "count"), transform: TokenCount.parse)
  var parallel = 4
  @OptionGroup var conversation: ChatOptions
  @Option(
    name: [.customShort("n"), .long], help: ArgumentHelp("The most tokens to generate.", valueName: "count"),
    transform: TokenCount.parse)
  var tokens = 256
  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "A LoRA adapter kept apart: a PEFT folder or a GGUF file, perhaps with a scale; may be repeated.",
      valueName: "path[=scale]"))
  var adapters: [String] = []
  @OptionGroup var sampling: SamplingOptions
  @OptionGroup var drafting: DraftOptions
  @Option(
    name: [.customShort("c"), .long], help: ArgumentHelp("Positions in the KV cache.", valueName: "tokens"),
    transform: TokenCount.parse)
  var context = 4096
  @Option(help: ArgumentHelp("Format of the KV cache: f16, q8_0 or f32.", valueName: "format")) var kv: KeyValueFormat =
    .f16
  @OptionGroup var threads: ThreadOptions
  @Option(help: ArgumentHelp("\(KernelSet.Name.list) (default: the best).", valueName: "set"))
  var kernels: String?
  @Flag(inversion: .prefixedNo, help: "Put weights into the order that the kernels read fastest; a file's are copied.")
  var repack = true
  @Option(
    help: ArgumentHelp(
      "Keep the text's KV cache in this file: a text that begins the same starts behind it.", valueName: "file"))
  var promptCache: String?
  @OptionGroup var shifting: ShiftOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard [prompt, prompts, conversation.chat].filter({ $0 != nil }).count <= 1 else {
      throw ValidationError("Give one of --prompt, --prompts and --chat.")
    }
    guard prompts == nil || drafting.draft == nil else {
      throw ValidationError("--draft goes with a single text, not with --prompts.")
    }
    guard prompts == nil || promptCache == nil else {
      throw ValidationError("--prompt-cache goes with a single text; --prompts share their beginning by themselves.")
    }
    guard promptCache == nil || !shifting.contextShift else {
      throw ValidationError("--prompt-cache keeps a text from its beginning on: it does not go with --context-shift.")
    }
    guard parallel <= Self.mostParallel else {
      throw ValidationError("--parallel is \(parallel); give a whole number from 1 to \(Self.mostParallel).")
    }
  }

  static let mostParallel = 256

  private func options(sequences: Int = 1) -> GeneratingOptions {
    var options = GeneratingOptions(
      prompt: conversation.messages.map { .chat($0) } ?? .text(prompt ?? ""), count: tokens,
      sampler: sampling.settings,
      workload: Workload(contextTokens: context, sequences: sequences, keyValueFormat: kv), threads: threads.wish,
      kernels: kernels, repacks: repack)
    options.adapters = adapters.map(AdapterReference.init(parsing:))
    options.draft = drafting.reference
    options.promptCache = promptCache
    options.keptTokens = shifting.keptTokens
    return options
  }

  func run() throws {
    Interrupt.shared.listen()
    if let prompts { return try runAll(of: prompts) }
    let console = common.console
    let options = options()
    let clock = SuspendingClock()
    var start = clock.now
    var untilFirst: Duration?
    var counts: ThreadCounts?
    let result = try common.session.generate(
      file, options, isCancelled: { Interrupt.shared.isRequested },
      onStart: {
        start = clock.now
        counts = $0
      },
      onText: { text in
        untilFirst = untilFirst ?? start.duration(to: clock.now)
        if !common.json { console.stream(text) }
      })
    guard common.json else { return console.answer([""]) }
    let drafting: [JSON.Member] = result.drafting.map { [.init("drafting", $0.json)] } ?? []
    let told = threadMembers(counts) + drafting
    console.answer(
      command: "generate",
      [
        .init("tokens", .array(result.tokens.map { .integer(Int64($0)) })), .init("text", .string(result.text)),
        .init("stop", .string(result.stop.rawValue)), .init("seed", .integer(Int64(clamping: sampling.seed))),
        .init("reusedTokens", .integer(Int64(result.reused))),
        .init("contextShifts", .integer(Int64(result.shifts))),
        .init("timeToFirstText", untilFirst.map { .number($0 / .seconds(1)) } ?? .null),
      ] + told)
  }

  /// Every line of a file, in the order in which they get ready.
  private func runAll(of path: String) throws {
    let console = common.console
    let lines = try PlanningSession.text(ofFile: path).split(whereSeparator: \.isNewline).map(String.init)
    var counts: ThreadCounts?
    let results = try common.session.generate(
      file, prompts: lines, options(sequences: min(parallel, max(1, lines.count))),
      isCancelled: { Interrupt.shared.isRequested }, onStart: { counts = $0 }
    ) { index, result in
      if !common.json { console.answer(["\(index + 1): \(lines[index])\(result.text)", ""]) }
    }
    guard common.json else { return }
    let told = threadMembers(counts)
    console.answer(
      command: "generate",
      [
        .init(
          "results",
          .array(
            results.map { result in
              [
                "tokens": .array(result.tokens.map { .integer(Int64($0)) }), "text": .string(result.text),
                "stop": .string(result.stop.rawValue), "reusedTokens": .integer(Int64(result.reused)),
                "contextShifts": .integer(Int64(result.shifts)),
              ]
            })), .init("seed", .integer(Int64(clamping: sampling.seed))),
      ] + told)
  }

  private func threadMembers(_ counts: ThreadCounts?) -> [JSON.Member] {
    [
      .init("threads", counts.map { .integer(Int64($0.decode)) } ?? .null),
      .init("threadsBatch", counts.map { .integer(Int64($0.prefill)) } ?? .null),
    ]
  }
}

extension TextGenerator.Drafting {
  fileprivate var json: JSON {
    [
      "proposed": .integer(Int64(proposed)), "judged": .integer(Int64(judged)), "accepted": .integer(Int64(accepted)),
      "passes": .integer(Int64(passes)), "acceptance": .number(acceptance),
    ]
  }
}
