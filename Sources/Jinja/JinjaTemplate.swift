// SPDX-License-Identifier: Apache-2.0
package import JSONText

/// A template in the subset of Jinja that chat templates are written in.
///
/// It reads what Jinja 3 reads with `trim_blocks` and `lstrip_blocks`: `if`, `for`, `set`, `macro`, `filter`, `break`,
/// `continue`, expressions, filters, tests, and the methods of Python's strings and dictionaries. It cannot read files,
/// call anything outside, or change what it is given, and limits on steps, nesting and output end a hostile template with a
/// sentence.
package struct JinjaTemplate {
  private let nodes: [JinjaNode]

  /// What the machine around knows and a template may ask for.
  package struct Surroundings {
    /// The present date in a format of C's `strftime`.
    var date: (String) -> String

    package init(date: @escaping (String) -> String) { self.date = date }
  }

  /// - Throws: `JinjaError` for what is no template of the subset.
  package init(_ text: String) throws(JinjaError) {
    var lexer = JinjaLexer(text)
    var parser = JinjaParser(try lexer.tokenized())
    nodes = try parser.parsed()
  }

  /// The text that the template makes of the values.
  ///
  /// - Throws: `JinjaError` when it refuses, fails or would not end.
  package func rendered(_ values: [JSON.Member], in surroundings: Surroundings) throws(JinjaError) -> String {
    var scope: [String: JinjaValue] = [:]
    for member in values { scope[member.key] = JinjaValue(member.value) }
    let evaluator = JinjaEvaluator(scope, surroundings)
    try evaluator.run(nodes)
    return evaluator.text
  }
}
