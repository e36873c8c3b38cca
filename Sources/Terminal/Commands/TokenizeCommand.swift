// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Inference
import JSONText
import Planning

struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "The token ids of a text in a model's vocabulary.",
    discussion: """
      Examples:
        anprobe tokenize model.gguf --text 'Hello world'
        anprobe tokenize model.gguf --chat 'Hello' --json
        anprobe tokenize folder --text 'Hi' --no-special --json
      """)

  @Argument(help: "A GGUF file with a vocabulary, or a folder with tokenizer.json.") var file: String
  @Option(help: "The text.") var text: String?
  @Option(help: ArgumentHelp("A file with the text.", valueName: "path")) var textFile: String?
  @OptionGroup var conversation: ChatOptions
  @Flag(name: .customLong("no-special"), help: "Add no beginning or end token.") var noSpecial = false
  @Flag(help: "Read control tokens that are spelt out in the text.") var parseSpecial = false
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard [text, textFile, conversation.chat].count(where: { $0 != nil }) == 1 else {
      throw ValidationError("Give one of --text, --text-file and --chat.")
    }
    guard conversation.chat == nil || !noSpecial && !parseSpecial else {
      throw ValidationError(
        "A chat template decides on special tokens itself: leave out --no-special and --parse-special.")
    }
  }

  func run() throws {
    let tokenizer = try common.session.tokenizer(ofFile: file)
    var prompt: String?
    let ids: [Int32]
    if let messages = conversation.messages {
      let written = try common.session.tokens(of: .chat(messages), in: tokenizer, path: file)
      (prompt, ids) = (written.text, written.tokens)
    } else {
      ids = tokenizer.encode(try givenText(), addsSpecial: !noSpecial, parsesSpecial: parseSpecial)
    }
    guard common.json else { return common.console.answer(ids.map { "\($0)\t\(spelling(of: $0, tokenizer))" }) }
    let list = JSON.Member("tokens", .array(ids.map { .integer(Int64($0)) }))
    common.console.answer(command: "tokenize", [list] + (prompt.map { [.init("prompt", .string($0))] } ?? []))
  }

  private func givenText() throws -> String {
    try text ?? textFile.map { try PlanningSession.text(ofFile: $0) } ?? ""
  }

  /// A token's text in quotes; a control token by its name.
  private func spelling(of id: Int32, _ tokenizer: Tokenizer) -> String {
    let bytes = tokenizer.bytes(of: id)
    return bytes.isEmpty ? tokenizer.spelling(of: id) : String(decoding: bytes, as: UTF8.self).debugDescription
  }
}
