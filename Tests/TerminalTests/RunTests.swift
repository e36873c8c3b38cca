// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import TestSupport
import Testing

/// The commands that run models, keep measurements and write files.
@Suite struct RunTests {
  @Test func `a measurement has the promised keys, and history keeps it until it is forgotten`() throws {
    try Program.with { program in
      let model = try program.writeSmallModel()
      let run = try program.run(
        "measure", "--config", model, "--full", "--prompt", "16", "--generate", "4", "--context", "32", "--samples",
        "3", "--threads", "1", "--threads-batch", "2", "--json")
      #expect(run.exitCode == 0, "\(run.errors)")
      let json = try run.json()
      for key in ["model", "variant", "synthetic", "kernels", "peakResidentBytes", "energy", "warnings"] {
        #expect(json[key] != nil, "\(key)")
      }
      #expect(json["threads"]?.intValue == 1)
      #expect(json["threadsBatch"]?.intValue == 2)
      #expect(json["synthetic"]?.boolValue == true)
      #expect(try #require(json["allocatedBytes"]?.intValue) > 0)
      for (phase, tokens) in [("prefill", 16), ("decode", 4)] {
        let rates = try #require(json[phase]?["tokensPerSecond"])
        #expect(json[phase]?["tokens"]?.intValue == tokens)
        let samples = try #require(rates["samples"]?.arrayValue).compactMap(\.doubleValue)
        #expect(samples.count == 3)
        #expect(rates["median"]?.doubleValue == samples.sorted()[1])
      }

      let kept = try #require(try program.run("history", "--json").json()["measurements"]?.arrayValue)
      #expect(kept.count == 1)
      #expect(kept.first?["decode"] == json["decode"])
      let number = try #require(kept.first?["number"]?.intValue)
      #expect(try program.run("history", "--forget", "\(number)").exitCode == 0)
      #expect(try program.run("history", "--json").json()["measurements"]?.arrayValue?.isEmpty == true)
      #expect(try program.run("history", "--forget", "\(number)").exitCode == 2)
    }
  }

  @Test func `a profile explains a run operator by operator, on the screen and in its keys`() throws {
    try Program.with { program in
      let arguments = [
        "measure", "--config", try program.writeSmallModel(), "--full", "--prompt", "16", "--generate", "4",
        "--context", "32", "--samples", "1", "--threads", "1", "--profile",
      ]
      let screen = try program.run(arguments)
      #expect(screen.exitCode == 0, "\(screen.errors)")
      for text in ["Prefill, per token", "Decode, per token", "gate-up", "not explained", "Limits of this machine"] {
        #expect(screen.output.contains(text), "\(text)")
      }
      let json = try program.run(arguments + ["--json"]).json()
      for phase in ["prefill", "decode"] {
        let profile = try #require(json["profile"]?[phase])
        let rows = try #require(profile["operators"]?.arrayValue)
        let sum = rows.reduce(0) { $0 + ($1["secondsPerToken"]?.doubleValue ?? .nan) }
        let whole = try #require(profile["secondsPerToken"]?.doubleValue)
        // The operators are timed inside of what is timed from outside.
        #expect(sum > 0 && sum <= whole * (1 + 1e-9))
        #expect(abs(try #require(profile["explainedFraction"]?.doubleValue) - sum / whole) < 1e-9)
        #expect(rows.contains { $0["operator"] == "down" && $0["limit"] != .null })
        let stages = try #require(profile["stageSecondsPerToken"]?.arrayValue).compactMap(\.doubleValue)
        // The layers and the head.
        #expect(stages.count == 2 + 1)
        let undisturbed = try #require(profile["undisturbedSecondsPerToken"]?.doubleValue)
        #expect(abs(stages.reduce(0, +) - undisturbed) < 1e-12)
      }
      let limits = try #require(json["profile"]?["limits"])
      let hasTiles = try #require(limits["tileOperationsPerSecond"]?.doubleValue) > 0
      let meanwhile = try #require(limits["meanwhile"])
      #expect(try #require(meanwhile["readBytesPerSecond"]?.doubleValue) > 0)
      #expect(screen.output.contains("Between the tokens loads alone read the weights at"))
      #expect(screen.output.contains("Between the samples tiles did") == hasTiles)
      for key in ["tileOperationsPerSecond", "loadedTileOperationsPerSecond"] {
        let rate = try #require(meanwhile[key])
        #expect((rate != .null) == hasTiles && rate.doubleValue != 0, "\(key)")
      }
      let kept = try program.run("history", "--json").json()["measurements"]?.arrayValue?.first
      #expect(kept != nil && kept?["profile"] == nil)
    }
  }

  @Test func `a validation names every quantity's median error and fails beyond the tolerance`() throws {
    try Program.with { program in
      let model = try program.writeSmallModel()
      let arguments = [
        "validate", model, "--variant", "q8_0", "--variant", "f16", "--no-calibrate", "--prompt", "16", "--generate",
        "4", "--context", "32", "--full", "--samples", "1", "--json",
      ]
      let generous = try program.run(arguments + ["--tolerance", "1000"])
      #expect(generous.exitCode == 0, "\(generous.errors)")
      let json = try generous.json()
      let rows = try #require(json["rows"]?.arrayValue)
      #expect(rows.compactMap { $0["variant"]?.stringValue } == ["q8_0", "f16"])
      for row in rows {
        let (estimate, measured) = (row["estimate"]?.doubleValue ?? .nan, row["measured"]?.doubleValue ?? .nan)
        #expect(row["quantity"]?.stringValue == "memory")
        #expect(abs((row["relativeError"]?.doubleValue ?? .nan) - (estimate - measured) / measured) < 1e-9)
      }
      #expect(json["medianAbsoluteError"]?["decode"] == .null)
      #expect(json["medianAbsoluteError"]?["memory"]?.doubleValue != nil)
      #expect(try program.run(arguments + ["--tolerance", "1e-9"]).exitCode == 1)
    }
  }

  @Test func `greedy generation of the small trained model gives its reference tokens and a story`() throws {
    let reference = URL(fileURLWithPath: storiesFile).deletingLastPathComponent()
      .appendingPathComponent("expected.json")
    let expected = try #require(try JSON(parsing: Array(Data(contentsOf: reference)))["greedy_ids"]?.arrayValue)
    let json = try Program.run(
      "generate", storiesFile, "--prompt", "", "--temperature", "0", "--tokens", "40", "--json"
    ).json()
    #expect(json["tokens"]?.arrayValue == Array(expected.prefix(40)))
    #expect(json["text"]?.stringValue?.contains("Once upon a time") == true)
  }

  @Test func `drafts leave a greedy text as it is, and a measurement tells what they gain`() throws {
    let arguments = ["generate", storiesFile, "--prompt", "Once", "--temperature", "0", "--tokens", "60", "--json"]
    let plain = try Program.run(arguments).json()
    for draft in [storiesFile, "lookup"] {
      let drafted = try Program.run(arguments + ["--draft", draft, "--draft-tokens", "3"]).json()
      #expect(drafted["tokens"] == plain["tokens"])
      #expect(try #require(drafted["drafting"]?["proposed"]?.intValue) > 0)
    }
    let run = try Program.run(
      "measure", storiesFile, "--draft", storiesFile, "--generate", "24", "--samples", "2", "--threads", "1", "--json")
    #expect(run.exitCode == 0, "\(run.errors)")
    let json = try run.json()
    #expect(json["acceptance"]?.doubleValue == 1 && json["sameText"]?.boolValue == true)
    #expect(json["generatedTokens"]?.intValue == 24 && json["draftTokens"]?.intValue == 4)
    for key in ["plainTokensPerSecond", "draftedTokensPerSecond", "speedUp"] {
      #expect(json[key]?["samples"]?.arrayValue?.count == 2, "\(key)")
    }
  }

  @Test func `a text goes on behind a full context where that is asked for`() throws {
    let arguments = [
      "generate", storiesFile, "--prompt", "Once upon a time", "--temperature", "0", "--context", "32", "--tokens",
      "90",
      "--json",
    ]
    let ended = try Program.run(arguments).json()
    let shifted = try Program.run(arguments + ["--context-shift", "--keep", "2"]).json()
    #expect(ended["stop"]?.stringValue == "context-full" && ended["contextShifts"]?.intValue == 0)
    #expect(shifted["stop"]?.stringValue == "length" && shifted["tokens"]?.arrayValue?.count == 90)
    #expect(try #require(shifted["contextShifts"]?.intValue) > 2)
    let count = try #require(ended["tokens"]?.arrayValue?.count)
    #expect(shifted["tokens"]?.arrayValue?.prefix(count) == ended["tokens"]?.arrayValue?[...])
  }

  @Test func `a prompt that a file holds does not run again, and the text is the same`() throws {
    try Program.with { program in
      let file = program.dataHome.appendingPathComponent("story.cache").path
      let arguments = [
        "generate", storiesFile, "--prompt", "Once upon a time there was a big", "--temperature", "0", "--tokens", "20",
        "--prompt-cache", file, "--json",
      ]
      let first = try program.run(arguments).json()
      let second = try program.run(arguments).json()
      #expect(first["reusedTokens"]?.intValue == 0)
      #expect(try #require(second["reusedTokens"]?.intValue) > 5)
      #expect(second["tokens"] == first["tokens"])
      let refused = try program.run(["generate", booksFile, "--prompt", "", "--prompt-cache", file])
      #expect(refused.exitCode == 2 && refused.errors.contains("does not serve this run"))
    }
  }

  @Test func `an estimate with a draft is the ratio of its terms`() throws {
    let json = try Program.run(
      "estimate", "llama-3-8b", "--machine", "RTX 4090", "--variant", "q8_0", "--draft", "tinyllama-1.1b",
      "--acceptance", "0.5", "--draft-tokens", "1", "--json"
    ).json()
    let drafting = try #require(json["drafting"])
    func number(_ key: String) throws -> Double { try #require(drafting[key]?.doubleValue) }
    #expect(try number("tokensPerRound") == 1.5)
    #expect(try number("draftCost") > 0 && number("draftCost") < 1)
    #expect(try abs(number("speedUp") - 1.5 / (number("draftCost") + number("verificationCost"))) < 1e-9)
  }

  @Test func `a seed gives the same text on any number of threads`() throws {
    let texts = try [("1", "1"), ("2", "1"), ("1", "3")].map { threads, batch in
      let json = try Program.run(
        "generate", storiesFile, "--prompt", "The", "--seed", "7", "--tokens", "40", "--threads", threads,
        "--threads-batch", batch, "--repeat-penalty", "1.1", "--typical-p", "0.9", "--json"
      ).json()
      #expect(json["threads"]?.intValue == Int(threads))
      #expect(json["threadsBatch"]?.intValue == Int(batch))
      return json["text"]?.stringValue
    }
    #expect(try #require(texts[0]).isEmpty == false)
    #expect(texts[1] == texts[0] && texts[2] == texts[0])
  }

  @Test func `the beginning-of-sequence token is left out on demand`() throws {
    let arguments = ["tokenize", storiesFile, "--text", "Once upon a time", "--json"]
    let whole = try #require(try Program.run(arguments).json()["tokens"]?.arrayValue)
    let plain = try #require(try Program.run(arguments + ["--no-special"]).json()["tokens"]?.arrayValue)
    #expect(whole.first?.intValue == 1)
    #expect(Array(whole.dropFirst()) == plain)
  }

  @Test func `a saved profile is a machine to plan for`() throws {
    try Program.with { program in
      let file = program.dataHome.appendingPathComponent("here.json").path
      let probed = try program.run("probe", "--save", file, "--json")
      #expect(probed.exitCode == 0, "\(probed.errors)")
      let json = try program.run("estimate", "tinyllama-1.1b", "--machine", file, "--json").json()
      #expect(json["machine"]?["name"] == (try probed.json())["profile"]?["name"])
    }
  }

  @Test func `a recorded machine answers as the machine did`() throws {
    try Program.with { program in
      let file = program.dataHome.appendingPathComponent("here.tar").path
      let here = try program.run("probe", "--snapshot", file, "--json")
      #expect(here.exitCode == 0, "\(here.errors)")
      let recorded = try program.run("probe", "--root", file, "--json")
      #expect(recorded.exitCode == 0, "\(recorded.errors)")
      for key in ["architecture", "coreCount", "processingUnitCount", "packageCount", "caches"] {
        let path = "profile.processor.\(key)"
        #expect(try member(recorded.json(), path) == (try member(here.json(), path)), "\(key)")
      }
    }
  }

  @Test func `a reader that closes the pipe early ends the program quietly`() throws {
    try Program.with { program in
      let (output, errors) = (try ChildProcess.Pipe(), try ChildProcess.Pipe())
      let process = try program.start(["machines", "--json"], output: .pipe(output), errors: .pipe(errors))
      close(output.reading)
      let complaints = errors.readToEnd()
      close(errors.reading)
      #expect(process.wait() == .exit(0))
      #expect(complaints.isEmpty)
    }
  }
}
