// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import Testing

@testable import Inference

@Suite struct `Word splits` {
  private static func golden() throws -> JSON {
    let url = try #require(
      Bundle.module.url(forResource: "word-splits", withExtension: "json", subdirectory: "Golden"))
    return try JSON(parsing: [UInt8](try Data(contentsOf: url)))
  }

  private static func lengths(_ text: String, _ splitter: WordSplitter) -> [Int] {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBufferPointer { splitter.words(of: $0) }.map {
      String(decoding: bytes[$0], as: UTF8.self).unicodeScalars.count
    }
  }

  @Test func `every rule cuts texts where an independent engine cuts them`() throws {
    let golden = try Self.golden()
    let texts = try #require(golden["texts"]?.arrayValue).compactMap(\.stringValue)
    let rules = try #require(golden["rules"]?.arrayValue)
    #expect(texts.count > 40 && rules.count >= 20)
    for rule in rules {
      let name = try #require(rule["name"]?.stringValue)
      let expressions = try #require(rule["expressions"]?.arrayValue).compactMap(\.stringValue)
      let passes = try expressions.map { WordSplitter.Pass(pattern: try ScalarPattern($0)) }
      let builtIn = try #require(WordSplitter(name), "\(name)")
      for (text, expected) in zip(texts, try #require(rule["lengths"]?.arrayValue)) {
        let lengths = try #require(expected.arrayValue).compactMap(\.intValue)
        #expect(
          Self.lengths(text, WordSplitter(passes: passes)) == lengths, "\(name), as written: \(text.debugDescription)")
        #expect(Self.lengths(text, builtIn) == lengths, "\(name): \(text.debugDescription)")
      }
    }
  }

  @Test func `matches are kept apart, dropped, or joined to a neighbour`() throws {
    let pattern = try ScalarPattern("[,;]")
    func pieces(_ cut: WordSplitter.Cut) -> [Int] {
      Self.lengths("ab,c;;d", WordSplitter(passes: [.init(pattern: pattern, cut: cut)]))
    }
    #expect(pieces(.isolated) == [2, 1, 1, 1, 1, 1])
    #expect(pieces(.removed) == [2, 1, 1])
    #expect(pieces(.joinedToPrevious) == [3, 2, 1, 1])
    #expect(pieces(.joinedToNext) == [2, 2, 1, 2])
  }

  @Test(arguments: [
    "(?<=a)b", "a*?", "(a+)++", "(a*)*", "\\p{Greek}", "[a", "(a", "a)", "[z-a]", "\\", "+", "(?#x)", "a{3,1}", "\\k",
  ])
  func `an expression outside the subset is refused`(expression: String) {
    #expect(throws: ScalarPatternError.self) { try ScalarPattern(expression) }
  }

  @Test func `expressions of great depth or length are refused, and slow ones end`() throws {
    #expect(throws: ScalarPatternError.self) {
      try ScalarPattern(String(repeating: "(", count: 5000) + "a" + String(repeating: ")", count: 5000))
    }
    #expect(throws: ScalarPatternError.self) { try ScalarPattern("((((a|b){200}){200}){200}){200}") }
    let slow = try ScalarPattern("(?:a|a)+(?:a|a)+(?:a|a)+(?:a|a)+b")
    let splitter = WordSplitter(passes: [.init(pattern: slow)])
    #expect(Self.lengths(String(repeating: "a", count: 60), splitter) == [60])
  }
}
