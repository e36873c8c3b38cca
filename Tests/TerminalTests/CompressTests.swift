// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import TestSupport
import Testing

/// Making variants and judging them, from the outside.
@Suite struct CompressTests {
  @Test func `a made variant runs, is close to the original, and names itself`() throws {
    try Program.with { program in
      let made = program.dataHome.appendingPathComponent("q8_0.gguf").path
      let answer = try program.run("compress", storiesFile, made, "--variant", "q8_0", "--json")
      #expect(answer.exitCode == 0, "\(answer.errors)")
      #expect(try answer.json()["variant"]?.stringValue == "q8_0")
      let size = try FileManager.default.attributesOfItem(atPath: made)[.size] as? Int
      #expect(try answer.json()["fileBytes"]?.intValue == size)
      let text = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park."
      let judged = try program.run("evaluate", made, "--reference", storiesFile, "--text", text, "--json")
      #expect(judged.exitCode == 0, "\(judged.errors)")
      let json = try judged.json()
      #expect(json["variant"]?.stringValue == "q8_0")
      let perplexity = try #require(member(json, "text.perplexity.value")?.doubleValue)
      let reference = try #require(member(json, "divergence.referencePerplexity.value")?.doubleValue)
      #expect(abs(perplexity / reference - 1) < 0.005)
      #expect(try #require(member(json, "divergence.mean.value")?.doubleValue) > 0)
      #expect(member(json, "text.bytes")?.intValue == text.utf8.count)
    }
  }

  @Test func `questions are answered and scored, malformed lines are named`() throws {
    try Program.with { program in
      let tasks = try program.write(
        """
        {"question": "Once upon a", "choices": ["time", "elephant"], "answer": 0}

        {"question": "There was a little girl named", "choices": ["Lily", "the"], "answer": "Lily"}
        """, to: "tasks.jsonl")
      let json = try program.run("evaluate", storiesFile, "--tasks", tasks, "--json").json()
      let row = try #require(json["tasks"]?.arrayValue?.first)
      #expect(row["count"]?.intValue == 2)
      #expect(member(row, "acc.value")?.doubleValue == 1)
      let broken = try program.write("{\"question\": \"Q\"}\n", to: "broken.jsonl")
      let refused = try program.run("evaluate", storiesFile, "--tasks", broken, "--json")
      #expect(refused.exitCode == 2)
      #expect(try refused.json()["error"]?["message"]?.stringValue?.contains("Line 1") == true)
    }
  }

  @Test func `killing it at any moment leaves no half file under the result's name`() throws {
    try Program.with { program in
      let whole = program.dataHome.appendingPathComponent("whole.gguf").path
      #expect(try program.run("compress", storiesFile, whole, "--variant", "q5_0").exitCode == 0)
      let expected = try #require(FileManager.default.contents(atPath: whole))
      let made = program.dataHome.appendingPathComponent("made.gguf").path
      for attempt in 0..<20 {
        let child = try program.start(["compress", storiesFile, made, "--variant", "q5_0"])
        // From before the first byte to after the last, by uneven steps.
        usleep(UInt32(attempt * attempt * 300))
        kill(child.identifier, SIGKILL)
        _ = child.wait()
        if let found = FileManager.default.contents(atPath: made) {
          #expect(found == expected, "attempt \(attempt)")
          try FileManager.default.removeItem(atPath: made)
        }
      }
      // What a killed run left beside the name is in nobody's way.
      #expect(try program.run("compress", storiesFile, made, "--variant", "q5_0").exitCode == 0)
      #expect(FileManager.default.contents(atPath: made) == expected)
      #expect(!FileManager.default.fileExists(atPath: made + ".partial"))
    }
  }

  @Test func `killing it at any moment leaves no half folder under the result's name`() throws {
    try Program.with { program in
      let arguments = { (path: String) in ["compress", storiesFile, path, "--variant", "gptq4-g32", "--nearest"] }
      let whole = program.dataHome.appendingPathComponent("whole").path
      let start = Date()
      #expect(try program.run(arguments(whole)).exitCode == 0)
      let span = Date().timeIntervalSince(start)
      let names = try FileManager.default.contentsOfDirectory(atPath: whole).sorted()
      #expect(names.contains("model.safetensors") && names.contains("config.json"))
      let made = program.dataHome.appendingPathComponent("made").path
      for attempt in 0..<20 {
        let child = try program.start(arguments(made))
        // From before the first byte to after the last.
        usleep(UInt32(span * 60_000 * Double(attempt)))
        kill(child.identifier, SIGKILL)
        _ = child.wait()
        if FileManager.default.fileExists(atPath: made) {
          for name in names {
            #expect(
              FileManager.default.contentsEqual(atPath: made + "/" + name, andPath: whole + "/" + name),
              "attempt \(attempt): \(name)")
          }
          try FileManager.default.removeItem(atPath: made)
        }
      }
      #expect(try program.run(arguments(made)).exitCode == 0)
      #expect(try FileManager.default.contentsOfDirectory(atPath: made).sorted() == names)
    }
  }

  @Test func `gradients of a text choose what a thinner model keeps`() throws {
    try Program.with { program in
      let text = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park."
      var made: [Data?] = []
      for criterion in ["taylor", "magnitude-l2"] {
        let path = program.dataHome.appendingPathComponent(criterion + ".gguf").path
        let answer = try program.run(
          "compress", storiesFile, path, "--variant", "width-0.25", "--prune-by", criterion, "--prune-layers", "1-3",
          "--calibration", text)
        #expect(answer.exitCode == 0, "\(answer.errors)")
        made.append(FileManager.default.contents(atPath: path))
      }
      #expect(made[0] != nil && made[0] != made[1])
    }
  }

  @Test func `a calibration text changes what is made, and the file says so`() throws {
    try Program.with { program in
      let folder = program.dataHome
      let plain = folder.appendingPathComponent("plain.gguf").path
      let calibrated = folder.appendingPathComponent("calibrated.gguf").path
      #expect(try program.run("compress", storiesFile, plain, "--variant", "q4_0").exitCode == 0)
      let answer = try program.run(
        "compress", storiesFile, calibrated, "--variant", "q4_0", "--calibration", "Tom had a red ball.", "--json")
      #expect(answer.exitCode == 0, "\(answer.errors)")
      #expect(try answer.json()["calibration"]?.stringValue == "Tom had a red ball.")
      #expect(FileManager.default.contents(atPath: plain) != FileManager.default.contents(atPath: calibrated))
    }
  }
}
