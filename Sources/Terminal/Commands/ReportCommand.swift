// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import JSONText
import Planning
import Quantities
import Reports

struct ReportCommand: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case html, markdown, json
  }

  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "The hardware fit report: a self-contained HTML page with plots, Markdown or JSON.",
    discussion: """
      Examples:
        anprobe report --output report.html
        anprobe report --machine "RTX 4090" --context 16k --output rtx-4090.md
        anprobe report --model llama-3-8b --format json
      """)

  @Option(name: [.customShort("f"), .long], help: "html, markdown or json (default: by the file's ending).")
  var format: Format?
  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp("Write here instead of to the screen.", valueName: "file"))
  var outputFile: String?
  @Option(help: ArgumentHelp("The model whose variants are compared.", valueName: "model")) var model: String?
  @OptionGroup var workload: WorkloadOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var choice: ChoiceOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let session = common.session
    try machine.prepare(session, common.console)
    let report = try session.report(
      machine.request(workload.workload()), objective: choice.objective,
      constraints: choice.constraints(mustRun: false), focus: model.map(ModelReference.init),
      command: Self.commandLine)
    let text = text(of: report)
    if let outputFile {
      try session.write(text, to: outputFile)
      common.console.notice("Written: \(outputFile)")
    } else {
      common.console.stream(text)
    }
  }

  private var chosenFormat: Format {
    if let format { return format }
    if common.json || outputFile?.hasSuffix(".json") == true { return .json }
    return outputFile?.hasSuffix(".html") == true ? .html : .markdown
  }

  private func text(of report: FitReport) -> String {
    switch chosenFormat {
    case .html: report.document.html()
    case .markdown: report.document.markdown()
    case .json: Console.envelope(command: "report", report.members).text(pretty: true) + "\n"
    }
  }

  /// What was typed, without the folder of the program.
  static var commandLine: String { commandLine(leavingOut: []) }

  /// - Parameter options: left out with their values.
  static func commandLine(leavingOut options: Set<String>) -> String {
    var words: [String] = []
    var isValue = false
    for word in CommandLine.arguments.dropFirst() {
      let isLeftOut = isValue || options.contains(word) || options.contains { word.hasPrefix($0 + "=") }
      isValue = options.contains(word)
      guard !isLeftOut else { continue }
      words.append(word.contains { " '\"()=,".contains($0) } ? "'\(word)'" : word)
    }
    return (["anprobe"] + words).joined(separator: " ")
  }
}
