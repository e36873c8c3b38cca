// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import Testing

/// Several processes and one data folder.
@Suite struct SharedArchiveTests {
  @Test func `processes that start at once make one archive`() throws {
    // Without the lock one of eight failed in about one round of twenty.
    for round in 1...5 {
      try Program.with { program in
        let processes = (0..<8).map { _ in program.process(["history", "--json"]) }
        let outputs = processes.map { process in
          let pipe = Pipe()
          process.standardOutput = pipe
          process.standardError = FileHandle.nullDevice
          return pipe
        }
        for process in processes { try process.run() }
        for (process, output) in zip(processes, outputs) {
          process.waitUntilExit()
          let answer = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
          #expect(process.terminationStatus == 0, "round \(round): \(answer)")
        }
      }
    }
  }

  @Test func `processes that measure at once keep all they reported`() throws {
    try Program.with { program in
      let model = try program.writeSmallModel()
      let processes = (0..<4).map { _ in
        program.process([
          "measure", "--config", model, "--full", "--prompt", "8", "--generate", "2", "--context", "16", "--samples",
          "1", "--threads", "1", "--json",
        ])
      }
      for process in processes {
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
      }
      for process in processes {
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
      }
      let kept = try program.run("history", "--json").json()["measurements"]?.arrayValue
      #expect(kept?.count == 4)
    }
  }
}
