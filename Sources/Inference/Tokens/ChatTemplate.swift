// SPDX-License-Identifier: Apache-2.0
internal import Jinja
import Glibc
internal import JSONText

/// One turn of a conversation.
package struct ChatMessage: Sendable, Equatable {
  package enum Role: String, Sendable {
    case system, user, assistant
  }

  package var role: Role
  package var content: String

  package init(_ role: Role, _ content: String) {
    self.role = role
    self.content = content
  }
}

extension Tokenizer {
  /// A conversation as the model's own template writes it, up to where the model's answer begins.
  ///
  /// - Throws: `TokenizerError.noChatTemplate`, or `JinjaError` where the template fails or refuses the messages.
  package func prompt(for messages: [ChatMessage], path: String) throws -> String {
    guard let chatTemplate else { throw TokenizerError.noChatTemplate(path: path) }
    let turns = messages.map {
      JSON.object([.init("role", .string($0.role.rawValue)), .init("content", .string($0.content))])
    }
    let values: [JSON.Member] = [
      .init("messages", .array(turns)), .init("add_generation_prompt", .bool(true)),
      .init("bos_token", .string(beginOfSequence.map { spelling(of: $0) } ?? "")),
      .init("eos_token", .string(endOfSequence.map { spelling(of: $0) } ?? "")),
      .init("tools", .null), .init("documents", .null),
    ]
    return try JinjaTemplate(chatTemplate).rendered(values, in: .init(date: Self.date))
  }

  /// The tokens of a prompt that a template wrote: control tokens are read, and the beginning token, where the model is used
  /// to one, stands there once whether or not the template writes it.
  package func encode(chat prompt: String) -> [Int32] {
    let ids = encode(prompt, addsSpecial: false, parsesSpecial: true)
    guard addsBeginOfSequence, let begin = beginOfSequence, ids.first != begin else { return ids }
    return [begin] + ids
  }

  /// The present local date in a format of C's `strftime`.
  private static func date(_ format: String) -> String {
    var now = time(nil)
    var parts = tm()
    guard localtime_r(&now, &parts) != nil else { return "" }
    var buffer = [CChar](repeating: 0, count: 256)
    let count = strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
