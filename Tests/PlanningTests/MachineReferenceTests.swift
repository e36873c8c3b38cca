// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Hardware
import Planning
import Profiles
import Quantities
import Testing

@Suite struct MachineReferenceTests {
  /// Files of a made-up machine: four cores, 16 GiB, and a group that may have 2 GiB.
  private static func limitedMachine(below folder: URL) throws -> String {
    let root = folder.appendingPathComponent("limited")
    var files = [
      "proc/meminfo": "MemTotal: 16777216 kB\nMemFree: 15728640 kB\nMemAvailable: 15728640 kB\nSwapTotal: 0 kB\n",
      "proc/self/cgroup": "0::/job\n",
      "proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
      "proc/cpuinfo": (0..<4).map { "processor\t: \($0)\nvendor_id\t: GenuineIntel\nmodel name\t: Test CPU\n\n" }
        .joined(),
      "sys/fs/cgroup/job/memory.max": "2147483648\n", "sys/fs/cgroup/job/memory.current": "0\n",
      "sys/devices/system/cpu/online": "0-3\n", "sys/devices/system/cpu/possible": "0-3\n",
      "sys/devices/system/cpu/present": "0-3\n",
    ]
    for cpu in 0..<4 {
      let folder = "sys/devices/system/cpu/cpu\(cpu)/topology"
      files["\(folder)/core_id"] = "\(cpu)\n"
      files["\(folder)/physical_package_id"] = "0\n"
      files["\(folder)/core_cpus"] = "\(1 << cpu)\n"
      files["\(folder)/core_cpus_list"] = "\(cpu)\n"
      files["\(folder)/thread_siblings"] = "\(1 << cpu)\n"
      files["\(folder)/core_siblings"] = "f\n"
      files["\(folder)/package_cpus"] = "f\n"
      files["\(folder)/package_cpus_list"] = "0-3\n"
    }
    for (path, text) in files {
      let file = root.appendingPathComponent(path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return root.path
  }

  @Test func `on a recorded machine of 16 GiB whose group may have 2 GiB, what fits fits into 2 GiB`() throws {
    try Fixture.withSession { session, folder in
      let request = PlanningRequest(machine: .recorded(root: try Self.limitedMachine(below: folder)))
      let platform = try session.platform(request)
      #expect(platform.capacity.usable.value == .gibibytes(2))
      #expect(platform.capacity.label.contains("/sys/fs/cgroup/job/memory.max"))
      #expect(platform.threads == 4)
      let answer = try session.fits(
        ["llama", "qwen2.5", "smollm2"], request, Fixture.variants("f16", "q8_0", "q4_k_m"))
      #expect(!answer.fitting.isEmpty)
      for row in answer.rows {
        for estimate in row.all {
          let total = try #require(estimate.memory.total.value)
          #expect((estimate.fits == true) == (total.magnitude <= ByteCount.gibibytes(2).magnitude * 0.92))
        }
      }
    }
  }

  @Test func `a machine may be described, be a name of the catalogue, or a file`() throws {
    try Fixture.withSession { session, folder in
      let described = try session.profile(of: .named(Fixture.card))
      #expect(described.accelerators.first?.memoryTotal.value == .gigabytes(24))
      let named = try session.profile(of: .named("RTX 4090"))
      #expect(named.name.contains("RTX 4090"))
      let path = folder.appendingPathComponent("saved.json").path
      try session.save(named, to: path)
      #expect(try session.profile(of: .named(path)) == named)
    }
  }

  @Test func `a machine that nobody knows is refused, and one that may be several`() throws {
    try Fixture.withSession { session, folder in
      #expect(throws: ProfileError.self) { try session.profile(of: .named("no such machine")) }
      #expect(throws: ProfileError.self) { try session.profile(of: .named("RTX 3060")) }
      let missing = folder.appendingPathComponent("missing.json").path
      let error = #expect(throws: ProfileError.self) { try session.profile(of: .named(missing)) }
      #expect(error?.message.contains(missing) == true)
      for text in ["", "{", "[1,2]", "{\"schemaVersion\": 99}"] {
        try Data(text.utf8).write(to: URL(fileURLWithPath: missing))
        let error = #expect(throws: (any Error).self) { try session.profile(of: .named(missing)) }
        let message = (error as? any ExplainedError)?.message
        #expect(message?.contains(missing) == true, "\(text): \(String(describing: message))")
      }
    }
  }

  @Test func `every machine of the catalogue is found by its own name and can be planned for`() throws {
    try Fixture.withSession { session, _ in
      let catalogue = try session.machines()
      #expect(catalogue.machines.count >= 234)
      for machine in catalogue.machines {
        let profile = try catalogue.machine(named: machine.name).profile
        #expect(profile.name == machine.name)
        #expect(Platform(profile).engine == .llamaCpp)
        #expect((Platform(profile).capacity.usable.value ?? .gibibytes(1)) > .zero, "\(machine.name)")
      }
    }
  }

  @Test func `only this machine may need a calibration`() throws {
    try Fixture.withSession { session, folder in
      #expect(try !session.needsCalibration(Fixture.request()))
      let recorded = PlanningRequest(machine: .recorded(root: try Self.limitedMachine(below: folder)))
      #expect(try !session.needsCalibration(recorded))
      let here = PlanningRequest(machine: .here, engine: .anprobe)
      #expect(try session.needsCalibration(here))
      #expect(try !session.needsCalibration(PlanningRequest(machine: .here, engine: .llamaCpp)))
    }
  }
}
