// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import TestSupport
import Testing

@Suite struct StudyTests {
  private let text = String(
    repeating: "Once upon a time there was a little girl named Lily. She loved to play with her red ball. ", count: 12)

  private func arguments(_ folder: String) -> [String] {
    ["study", storiesFile, "--text", text, "--limit", "1", "--threads", "1", "--out", folder]
  }

  @Test func `killing it twenty times loses nothing that was found, and it goes on to the end`() throws {
    try Program.with { program in
      let folder = program.dataHome.appendingPathComponent("study").path
      var seen: [String: Data] = [:]
      var random = SeededRandom(seed: 4)
      for attempt in 0..<20 {
        let child = try program.start(arguments(folder))
        usleep(UInt32.random(in: 20_000..<400_000, using: &random))
        kill(child.identifier, SIGKILL)
        _ = child.wait()
        if let state = FileManager.default.contents(atPath: folder + "/study.json") {
          let whole = try? JSON(parsing: Array(state))
          #expect(whole != nil, "attempt \(attempt)")
        }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder + "/models")) ?? []
        where name.hasSuffix(".gguf") {
          let found = FileManager.default.contents(atPath: "\(folder)/models/\(name)")
          if let known = seen[name] { #expect(found == known, "\(name), attempt \(attempt)") }
          seen[name] = found
        }
      }
      let answer = try program.run(arguments(folder) + ["--json"])
      #expect(answer.exitCode == 0, "\(answer.errors)")
      let study = try answer.json()
      #expect(study["complete"]?.boolValue == true)
      for (name, known) in seen {
        #expect(FileManager.default.contents(atPath: "\(folder)/models/\(name)") == known, "\(name)")
      }
      let entries = try #require(study["entries"]?.arrayValue)
      for variant in ["original", "q8_0", "q4_k_m", "gptq4-g32", "awq4-g32", "sparse-2:4", "svd-0.5", "depth-1"] {
        let entry = try #require(entries.first { $0["variant"]?.stringValue == variant }, "\(variant)")
        #expect(entry["evaluation"]?["divergence"]?["mean"]?["value"]?.doubleValue != nil, "\(variant)")
        #expect(entry["measurement"]?["decode"]?.isNull == false, "\(variant)")
      }
      let student = entries.first { $0["variant"]?.stringValue == "student:half" }
      #expect(student?["refusal"]?.stringValue?.isEmpty == false)
      let page = try String(contentsOfFile: folder + "/study.md", encoding: .utf8)
      #expect(page.contains("GPTQ") && page.contains("What is missing"))
      // Once done, it says the same again without any work; with other settings the folder is left alone.
      let again = try program.run(arguments(folder) + ["--json"]).json()
      #expect(again["entries"] == study["entries"])
      let other = try program.run("study", storiesFile, "--text", text, "--limit", "2", "--out", folder, "--json")
      #expect(try other.json()["error"]?["kind"]?.stringValue == "study_differs")
    }
  }
}
