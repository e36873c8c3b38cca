// SPDX-License-Identifier: Apache-2.0
import JSONText
import TestSupport
import Testing

@Suite struct JSONTextTests {
  @Test func `a value survives writing and reading with its order and integers`() throws {
    let value: JSON = [
      "z": [1, -9_223_372_036_854_775_808, 0.1, true, nil], "a": ["text": "line\n\"quoted\" \\ \u{7}", "empty": [:]],
      "unicode": "größer → 😀",
    ]
    #expect(try JSON(parsing: value.text()) == value)
    #expect(try JSON(parsing: value.text(pretty: true)) == value)
    #expect(value.text().hasPrefix(#"{"z":[1,-9223372036854775808,0.1,true,null],"a":"#))
  }

  @Test func `escapes and surrogate pairs decode, a lone surrogate becomes the replacement character`() throws {
    #expect(try JSON(parsing: #""\u00e9\ud83d\ude00\ud83dx\/""#) == "é😀\u{FFFD}x/")
  }

  @Test(arguments: [
    ("", 0), ("{", 1), ("[1,]", 3), ("{\"a\" 1}", 5), ("[01]", 1), ("[1.]", 1), ("[-]", 1), ("1 2", 2),
    ("\"\u{1}\"", 1),
    ("nul", 3), ("[1e999]", 1), ("{a:1}", 1), ("\"\\x\"", 2), ("[+1]", 1),
  ])
  func `malformed text names the byte where it breaks`(text: String, offset: Int) {
    let error = #expect(throws: JSONError.self) { try JSON(parsing: text) }
    #expect(error?.offset == offset)
  }

  @Test func `bytes that are no UTF-8 are refused`() {
    #expect(throws: JSONError.invalidString(offset: 0)) { try JSON(parsing: [0x22, 0xFF, 0x22]) }
  }

  @Test func `deep nesting is refused before the stack runs out`() {
    let text = String(repeating: "[", count: 100_000)
    #expect(throws: JSONError.tooDeep(offset: 128, limit: 128)) { try JSON(parsing: text) }
  }

  @Test func `infinite numbers are written as null`() {
    #expect(JSON.array([.number(.infinity), .number(.nan)]).text() == "[null,null]")
  }

  @Test func `mutated text gives a value or an error, never a crash`() throws {
    let original = Array(#"{"a":[1,2.5e3,"x\u0041"],"b":{"c":null,"d":[true,false]}}"#.utf8)
    var random = SeededRandom(seed: 7)
    var refused = 0
    for _ in 0..<2000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      bytes.removeLast(Int.random(in: 0...3, using: &random))
      do throws(JSONError) { _ = try JSON(parsing: bytes) } catch {
        refused += 1
        #expect((0...bytes.count).contains(error.offset))
      }
    }
    #expect(refused > 1000)
  }
}
