// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import TestSupport
import Testing

@testable import Jinja

@Suite struct JinjaTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var template: String
    var values: [JSON.Member]
    var text: String?
    var testDescription: String { name }
  }

  /// What Python's jinja2 made of templates (scripts/golden/templates).
  static let golden: [Case] = {
    guard let url = Bundle.module.url(forResource: "templates", withExtension: "json", subdirectory: "Golden"),
      let data = try? Data(contentsOf: url), let json = try? JSON(parsing: [UInt8](data)),
      let templates = json["templates"]?.arrayValue, let values = json["values"]?.arrayValue
    else { return [] }
    return (json["cases"]?.arrayValue ?? []).compactMap { entry in
      guard let name = entry["name"]?.stringValue, let template = entry["template"]?.intValue,
        let context = entry["values"]?.intValue
      else { return nil }
      return Case(
        name: name, template: templates[template].stringValue ?? "", values: values[context].members ?? [],
        text: entry["text"]?.stringValue)
    }
  }()

  private static func rendered(_ template: String, _ values: [JSON.Member] = []) throws(JinjaError) -> String {
    try JinjaTemplate(template).rendered(values, in: .init(date: { $0 }))
  }

  @Test func `expressions, statements and families of chat templates give jinja2's text, and fail where it fails`() {
    #expect(Self.golden.count > 180)
    for entry in Self.golden {
      let result = Result { () throws(JinjaError) in try Self.rendered(entry.template, entry.values) }
      switch (result, entry.text) {
      case (.success(let text), let expected): #expect(text == expected, "\(entry.name)")
      case (.failure(let error), let expected): #expect(expected == nil, "\(entry.name): \(error)")
      }
    }
  }

  @Test func `a refusal carries the template's own words`() {
    #expect(throws: JinjaError.refused(reason: "no system role")) {
      try Self.rendered("{{ raise_exception('no system role') }}")
    }
    #expect(JinjaError.refused(reason: "no system role").message.contains("no system role"))
  }

  @Test func `an error names the line`() {
    #expect(throws: JinjaError.unknown(line: 3, what: "filter", name: "shout")) {
      try Self.rendered("a\n{# b #}\n{{ 'x' | shout }}")
    }
    #expect(throws: JinjaError.unknown(line: 2, what: "statement", name: "include")) {
      try Self.rendered("\n{% include 'secret' %}")
    }
  }

  @Test(arguments: [
    "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "{% for a in range(99999999999) %}{% endfor %}", "{{ 'x' * 99999999999 }}", "{{ range(9223372036854775807) }}",
    "{% set n = namespace(s='xxxxxxxx') %}{% for a in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    "{% set n = namespace(s='xxxxxxxx') %}{% for a in range(99) %}{% set n.s = n.s | replace('x', n.s) %}{% endfor %}",
    "{% set n = namespace(l=[1]) %}{% for a in range(9999) %}{% set n.l = [n.l] %}{% endfor %}",
    "{% set n = namespace(l=[1]) %}{% for a in range(9999) %}{% set n.l = n.l + n.l %}{% endfor %}",
    "{% set n = namespace() %}{% set n.n = n %}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{{ m(n) ~ m(n) }}{% endmacro %}{{ m(1) }}",
    "{% set n = namespace(s='x') %}{% for a in range(99) %}{% set n.s = [n.s, n.s] | join(n.s) %}{% endfor %}",
    "{{ " + String(repeating: "(", count: 5000) + "1" + String(repeating: ")", count: 5000) + " }}",
    "{{ 1" + String(repeating: " + 1", count: 5000) + " }}", "{{ " + String(repeating: "not ", count: 5000) + "1 }}",
    "{{ x" + String(repeating: "['y']", count: 5000) + " }}", "{{ " + String(repeating: "-", count: 5000) + "1 }}",
    String(repeating: "{% if 1 %}", count: 5000),
    "{{ 'a'|map('map'" + String(repeating: ",'map'", count: 5000) + ") }}",
    "{{ [[" + String(repeating: "1 if 1 else ", count: 5000) + "1]] }}", "{{ 9223372036854775807 + 1 }}",
    "{{ (0 - 9223372036854775807 - 1) // (0 - 1) }}",
  ])
  func `a hostile template ends with an error`(template: String) {
    #expect(throws: JinjaError.self) { try Self.rendered(template) }
  }

  @Test func `random pieces of templates neither trap nor hang`() {
    let pieces = [
      "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "if", "for", "in", "x", "endif", "endfor", "set", "=", "(", ")",
      "[", "]",
      "'", "\"", "a", "1", "|", "is", "not", ".", ":", ",", "macro", "raw", "endraw", " ", "\n", "{", "}", "else",
      "join",
      "range", "messages", "~", "%", "*", "/", "é", "\\",
    ]
    var random = SeededRandom(seed: 3)
    let values = [JSON.Member("messages", [["role": "user", "content": "hi"]]), .init("x", "text")]
    for _ in 0..<4000 {
      let template = (0..<Int.random(in: 0...30, using: &random)).map { _ in
        (pieces.randomElement(using: &random) ?? "") + (Bool.random(using: &random) ? " " : "")
      }.joined()
      _ = try? Self.rendered(template, values)
    }
  }
}
