// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import Testing

/// The energy of a run by meters that a test can make.
@Suite struct MeterTests {
  private static func measure(_ program: Program, _ options: String...) throws -> Program.Outcome {
    try program.run(
      [
        "measure", "--config", try program.writeSmallModel(), "--full", "--prompt", "16", "--generate", "8",
        "--context", "32", "--samples", "2", "--threads", "1",
      ] + options)
  }

  @Test func `a program's watts are energy per token, and bills`() throws {
    try Program.with { program in
      let outcome = try Self.measure(
        program, "--power-command", "while :; do echo 40; sleep 0.01; done", "--price", "0.36", "--grid", "500",
        "--json")
      #expect(outcome.exitCode == 0, "\(outcome.errors)")
      let json = try outcome.json()
      #expect(json["energy"]?["basis"] == "measured")
      let joules = try #require(json["energy"]?["value"]?.doubleValue)
      #expect(try #require(json["energyPerPromptToken"]?["value"]?.doubleValue) > 0)
      #expect(abs(try #require(json["power"]?["decodeWatts"]?["value"]?.doubleValue) - 40) < 1e-6)
      // Two samples: their mean time per token lies between the two.
      let rates = try #require(json["decode"]?["tokensPerSecond"]?["samples"]?.arrayValue).compactMap(\.doubleValue)
      #expect(joules * rates.sorted()[0] <= 40 * (1 + 1e-6) && joules * rates.sorted()[1] >= 40 * (1 - 1e-6))
      // 3.6 MJ are a kilowatt-hour.
      func bill(_ key: String) throws -> Double { try #require(json["bill"]?[key]?["value"]?.doubleValue) }
      #expect(abs(try bill("costPerMillionTokens") / joules - 0.1) < 1e-9)
      #expect(abs(try bill("gramsCO2ePerThousandTokens") / joules - 0.5 / 3.6) < 1e-9)
      #expect(abs(try bill("wattHoursPerThousandTokens") / joules - 1 / 3.6) < 1e-9)
      #expect(abs(try bill("tokensPerJoule") * joules - 1) < 1e-9)
      let kept = try program.run("history", "--json").json()["measurements"]?.arrayValue?.first
      #expect(kept?["energy"]?["value"]?.doubleValue == joules && kept?["power"] == nil)
    }
  }

  @Test func `a program that dies at once leaves a measurement without energy, and the reason`() throws {
    try Program.with { program in
      let json = try Self.measure(program, "--power-command", "echo 40; exit 4", "--json").json()
      #expect(json["complete"]?.boolValue == true && json["energy"]?["value"] == .null)
      #expect(json["energy"]?["reason"]?.stringValue?.contains("exit code 4") == true)
      #expect(json["warnings"]?.arrayValue?.contains { $0["kind"] == "meter" } == true)
    }
  }

  @Test func `a program that tells nothing is an error with a remedy`() throws {
    try Program.with { program in
      let outcome = try Self.measure(program, "--power-command", "exit 5", "--json")
      #expect(outcome.exitCode == 1)
      let error = try outcome.json()["error"]
      #expect(error?["kind"] == "power_command_ended")
      #expect(error?["message"]?.stringValue?.contains("exit code 5") == true)
      #expect(error?["remedy"]?.stringValue?.contains("Run it alone") == true)
    }
  }

  @Test func `watts that somebody gives are said to be given`() throws {
    try Program.with { program in
      let json = try Self.measure(program, "--watts", "50", "--json").json()
      #expect(json["energy"]?["basis"] == "published")
      #expect(json["energy"]?["source"]?.stringValue?.contains("as given") == true)
      let screen = try Self.measure(program, "--watts", "50").output
      #expect(screen.contains("Energy per token: ") && screen.contains("as given"))
      #expect(screen.contains("Wh per 1,000 tokens: "))
    }
  }

  @Test func `another instrument's log of the time of the run is laid beside it`() throws {
    try Program.with { program in
      let now = Date().timeIntervalSince1970
      let log = try program.write("time,watts\n\(now - 3600),25\n\(now + 3600),25\n", to: "power.csv")
      let json = try Self.measure(program, "--power-csv", log, "--json").json()
      #expect(abs(try #require(json["power"]?["decodeWatts"]?["value"]?.doubleValue) - 25) < 1e-6)
    }
  }
}
