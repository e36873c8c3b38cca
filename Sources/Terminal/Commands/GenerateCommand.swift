// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import Foundation
import Inference
import JSONText
import Planning

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continues a text with a GGUF file's model, on the built-in runtime.",
    discussion: """
      Examples:
        anprobe generate model.gguf --prompt "Once upon a time"
        anprobe generate model.gguf --prompt "" --temperature 0 --tokens 200 --json
      """)

  @Argument(help: "A GGUF file with weights and vocabulary.") var file: String
  @Option(
    name: [.customShort("p"), .long], help: "The text to continue; empty starts from the beginning of a sequence.")
  var prompt = ""
  @Option(
    name: [.customShort("n"), .long], help: ArgumentHelp("The most tokens to generate.", valueName: "count"),
    transform: TokenCount.parse)
  var tokens = 256
  @Option(help: ArgumentHelp("0 is greedy; higher is freer.", valueName: "value"), transform: Self.share)
  var temperature = 0.8
  @Option(help: ArgumentHelp("Choose among so many; 0 among all.", valueName: "count")) var topK = 40
  @Option(
    help: ArgumentHelp("Choose among the likeliest that reach this sum.", valueName: "share"), transform: Self.share)
  var topP = 0.95
  @Option(help: ArgumentHelp("Drop what is below this share of the best.", valueName: "share"), transform: Self.share)
  var minP = 0.05
  @Option(help: ArgumentHelp("The same seed gives the same text.", valueName: "number")) var seed: UInt64 = 1
  @Option(
    name: [.customShort("c"), .long], help: ArgumentHelp("Positions in the KV cache.", valueName: "tokens"),
    transform: TokenCount.parse)
  var context = 4096
  @Option(help: ArgumentHelp("Format of the KV cache: f16, q8_0 or f32.", valueName: "format")) var kv: KeyValueFormat =
    .f16
  @Option(
    name: [.customShort("t"), .long], help: ArgumentHelp("Threads to run with.", valueName: "count"),
    transform: ThreadCount.parse)
  var threads: Int?
  @Option(help: ArgumentHelp("portable, avx2, avx512vnni or openblas (default: the best).", valueName: "set"))
  var kernels: String?
  @Flag(inversion: .prefixedNo, help: "Put weights into the order that the kernels read fastest; a file's are copied.")
  var repack = true
  @OptionGroup var common: CommonOptions

  func run() throws {
    let console = common.console
    Interrupt.shared.listen()
    let options = GeneratingOptions(
      prompt: prompt, count: tokens,
      sampler: .init(temperature: temperature, topK: max(0, topK), topP: topP, minP: minP, seed: seed),
      workload: Workload(contextTokens: context, keyValueFormat: kv), threads: threads, kernels: kernels,
      repacks: repack)
    let result = try common.session.generate(
      file, options, isCancelled: { Interrupt.shared.isRequested }, onText: { if !common.json { console.stream($0) } })
    guard common.json else { return console.answer([""]) }
    console.answer(
      command: "generate",
      [
        .init("tokens", .array(result.tokens.map { .integer(Int64($0)) })), .init("text", .string(result.text)),
        .init("stop", .string(result.stop.rawValue)), .init("seed", .integer(Int64(clamping: seed))),
      ])
  }

  private static func share(_ text: String) throws -> Double {
    guard let number = Double(text), number >= 0, number.isFinite else {
      throw ValidationError("'\(text)' is no number from 0.")
    }
    return number
  }
}

struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "The token ids of a text in a GGUF file's vocabulary.",
    discussion:
      "Examples:\n  anprobe tokenize model.gguf --text 'Hello world'\n  anprobe tokenize model.gguf --text 'Hi' --no-special --json"
  )

  @Argument(help: "A GGUF file with a vocabulary.") var file: String
  @Option(help: "The text.") var text: String
  @Flag(name: .customLong("no-special"), help: "Add no beginning or end token.") var noSpecial = false
  @Flag(help: "Read control tokens that are spelt out in the text.") var parseSpecial = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    let tokenizer = try common.session.tokenizer(ofFile: file)
    let ids = tokenizer.encode(text, addsSpecial: !noSpecial, parsesSpecial: parseSpecial)
    guard common.json else {
      return common.console.answer(
        ids.map { "\($0)\t\(String(decoding: tokenizer.bytes(of: $0), as: UTF8.self).debugDescription)" })
    }
    common.console.answer(command: "tokenize", [.init("tokens", .array(ids.map { .integer(Int64($0)) }))])
  }
}
