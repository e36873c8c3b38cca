// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Hardware
import JSONText
import Planning
import Quantities

struct ProbeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe",
    abstract: "The hardware profile: processors, caches, memory and its limits, accelerators, power sensors.",
    discussion: """
      Examples:
        anprobe probe
        anprobe probe --calibrate                 measures the kernels, about 20 seconds
        anprobe probe --save laptop.json          a profile for --machine on another computer
        anprobe probe --snapshot laptop.tar       the raw files, without names, addresses and serial numbers
        anprobe probe --root laptop.tar --json    reads such a recording
      """)

  @Flag(help: "Measure the kernels now and keep the result.") var calibrate = false
  @Option(help: ArgumentHelp("Write the profile to this file.", valueName: "file")) var save: String?
  @Option(help: ArgumentHelp("Read a recorded machine instead of this one.", valueName: "path")) var root: String?
  @Option(help: ArgumentHelp("Record this machine's files here.", valueName: "file")) var snapshot: String?
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let session = common.session
    if calibrate {
      _ = try session.calibrate(threads: threads.wish, toolVersion: Version.current) { common.console.progress($0) }
      common.console.endProgress()
    }
    if let snapshot { try session.recordMachine(to: snapshot) }
    let profile = try session.profile(of: root.map { .recorded(root: $0) } ?? .here)
    if let save { try session.save(profile, to: save) }
    guard !common.json else { return common.console.answer(command: "probe", [.init("profile", profile.json)]) }
    ProbeFace(profile: profile).show(common.console)
  }
}
