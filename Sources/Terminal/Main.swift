// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Quantities

@main
enum Main {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
  }

  /// Parses and runs one command; every way out gives an exit code and, when it fails, one explained sentence.
  private static func run(_ arguments: [String]) -> ExitStatus {
    let wantsJSON = arguments.contains("--json")
    do {
      var command = try Anprobe.parseAsRoot(LeadingFlags.moved(arguments))
      try command.run()
      return .success
    } catch let status as ExitStatus {
      return status
    } catch let error as any ExplainedError {
      ErrorFace.show(error, isJSON: wantsJSON)
      return ExitStatus(error.exitCode)
    } catch {
      return ErrorFace.showParserError(error, isJSON: wantsJSON)
    }
  }
}

/// The exit codes of every command; thrown by a command whose answer itself is "no".
enum ExitStatus: Int32, Error {
  case success = 0
  case failure = 1
  case badInput = 2
  case nothingFits = 3

  init(_ reason: ExitReason) { self = ExitStatus(rawValue: reason.rawValue) ?? .failure }
}

/// `--json` may stand before the subcommand as well as after it.
enum LeadingFlags {
  static func moved(_ arguments: [String]) -> [String] {
    let command = arguments.firstIndex { !$0.hasPrefix("-") }
    guard let command, isCommand(arguments[command]) else {
      // Without a command that would take it, the flag is not what is wrong with the line.
      return arguments.filter { $0 != "--json" }
    }
    let leading = arguments[..<command]
    guard leading.contains("--json") else { return arguments }
    return leading.filter { $0 != "--json" } + [arguments[command], "--json"] + arguments[(command + 1)...]
  }

  private static func isCommand(_ word: String) -> Bool {
    Anprobe.configuration.subcommands.contains { $0.configuration.commandName == word }
  }
}

struct Anprobe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "anprobe",
    abstract: "Tries a language model on for size: what fits on this machine, how fast, and how we know.",
    discussion: """
      Exit codes: 0 yes, 1 failure, 2 bad input, 3 asked and nothing fits.
      Every command takes --json (stable keys, documented in docs/json.md).

      Examples:
        anprobe fits                        what fits on this machine
        anprobe fits llama --context 8192   the models whose names contain "llama"
        anprobe estimate qwen2.5-7b --variant q4_k_m
        anprobe measure tinyllama-1.1b --variant q8_0
        anprobe recommend llama-3-8b --objective speed
      """,
    version: Version.current,
    subcommands: [
      FitsCommand.self, EstimateCommand.self, RecommendCommand.self, ModelsCommand.self, VariantsCommand.self,
      MachinesCommand.self, ProbeCommand.self, MeasureCommand.self, ValidateCommand.self, GenerateCommand.self,
      TokenizeCommand.self, CompressCommand.self, TrainCommand.self, EvaluateCommand.self, HistoryCommand.self,
      ReportCommand.self, StudyCommand.self, AccuracyCommand.self,
    ])
}
