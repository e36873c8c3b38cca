// SPDX-License-Identifier: Apache-2.0

/// An expression of a template, with the line it stands on where evaluating it can fail.
indirect enum JinjaExpression {
  case literal(JinjaValue)
  case name(String, line: Int)
  case list([JinjaExpression])
  case object([(key: JinjaExpression, value: JinjaExpression)])
  case attribute(JinjaExpression, String, line: Int)
  case item(JinjaExpression, JinjaExpression, line: Int)
  case slice(JinjaExpression, start: JinjaExpression?, end: JinjaExpression?, step: JinjaExpression?, line: Int)
  case call(JinjaExpression, JinjaArguments, line: Int)
  case filter(JinjaExpression, String, JinjaArguments, line: Int)
  case test(JinjaExpression, String, JinjaArguments, line: Int)
  case not(JinjaExpression)
  case negative(JinjaExpression, line: Int)
  case binary(String, JinjaExpression, JinjaExpression, line: Int)
  case choice(JinjaExpression, ifTrue: JinjaExpression, ifFalse: JinjaExpression?)
}

struct JinjaArguments {
  var positional: [JinjaExpression] = []
  var named: [(name: String, value: JinjaExpression)] = []
}

/// A statement of a template, or text between statements.
indirect enum JinjaNode {
  case text(String)
  case output(JinjaExpression, line: Int)
  case conditional([(condition: JinjaExpression, body: [JinjaNode])], otherwise: [JinjaNode])
  case loop(JinjaLoop)
  case set(JinjaTarget, JinjaExpression, line: Int)
  /// `{% set name %}…{% endset %}`
  case capture(JinjaTarget, [JinjaNode], line: Int)
  case macro(JinjaMacro)
  /// `{% filter name %}…{% endfilter %}`
  case filtered(String, JinjaArguments, [JinjaNode], line: Int)
  case body([JinjaNode])
  case breakLoop, continueLoop
}

struct JinjaLoop {
  var names: [String]
  var sequence: JinjaExpression
  var condition: JinjaExpression?
  var body: [JinjaNode]
  var otherwise: [JinjaNode]
  var line: Int
}

enum JinjaTarget {
  case names([String])
  /// A member of a namespace.
  case member(String, String)
}

/// A named piece of a template with parameters.
struct JinjaMacro {
  var name: String
  var parameters: [(name: String, preset: JinjaExpression?)]
  var body: [JinjaNode]
  var line: Int
}
