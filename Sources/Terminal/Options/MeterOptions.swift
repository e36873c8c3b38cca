// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Hardware
import Planning
import Quantities

/// What measures the energy of a run.
struct MeterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "\(MeterKind.list), or the file of a sensor that 'anprobe probe' lists (default: the best of the processor).",
      valueName: "meter"),
    transform: { text in
      if text.hasPrefix("/") { return .sensor(path: text) }
      guard let kind = MeterKind(rawValue: text) else {
        throw ValidationError("'\(text)' is no meter. Give \(MeterKind.list), or the file of a sensor.")
      }
      return .kind(kind)
    })
  var meter: MeterChoice?

  @Option(
    help: ArgumentHelp(
      "A program that prints watts, one figure a line, or counted joules ('1234 J'); it is ended with the run.",
      valueName: "command"))
  var powerCommand: String?

  @Option(
    help: ArgumentHelp(
      "Another instrument's log of times and watts, laid beside the run by the time of day.", valueName: "file"))
  var powerCsv: String?

  @Option(
    help: ArgumentHelp("The power while running, where you know it.", valueName: "watts"),
    transform: PositiveNumber.parse)
  var watts: Double?

  @Flag(help: "Measure the machine at rest first, and also tell the energy above it.")
  var subtractIdle = false

  func validate() throws {
    guard [meter != nil, powerCommand != nil, powerCsv != nil, watts != nil].count(where: { $0 }) <= 1 else {
      throw ValidationError("Give one of --meter, --power-command, --power-csv and --watts.")
    }
    guard watts == nil || !subtractIdle else {
      throw ValidationError("--watts says nothing of a machine at rest: leave --subtract-idle away.")
    }
    guard powerCommand.map({ !$0.allSatisfy(\.isWhitespace) }) ?? true else {
      throw ValidationError("'--power-command' is empty. Give a program that prints watts.")
    }
  }

  func apply(to options: inout MeasuringOptions) {
    options.meter =
      meter ?? powerCommand.map { .command($0) } ?? powerCsv.map { .log(path: $0) }
      ?? watts.map { .constant(Power(watts: $0)) } ?? .best
    options.idleSeconds = subtractIdle ? MeasuringOptions.usualIdleSeconds : nil
  }
}
