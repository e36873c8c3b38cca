// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import Testing

/// docs/json.md against what the program really writes.
@Suite struct JSONDocumentTests {
  private static let machine = "kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,int8=330TOP/s,tdp=450W"

  private static func document(_ name: String) throws -> String {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: package.appendingPathComponent("docs/\(name)"), encoding: .utf8)
  }

  @Test(arguments: [
    ["estimate", "tinyllama", "--variant", "q4_k_m"], ["fits", "tinyllama"], ["fits", "tinyllama", "--all"],
    ["fits", "tinyllama", "--train", "qlora-16"],
    ["recommend", "tinyllama"], ["report", "--model", "tinyllama", "--format", "json"],
  ])
  func `every key of an answer about a described machine is in the document`(command: [String]) throws {
    try expectDocumented(try Program.run(command + ["--machine", Self.machine, "--json"]))
  }

  @Test(arguments: [
    ["models", "tinyllama"], ["variants"], ["variants", "--kernels"], ["machines"], ["history"],
    ["generate", storiesFile, "--tokens", "2", "--temperature", "0"], ["tokenize", storiesFile, "--text", "Hi"],
    ["estimate", "no such model"],
  ])
  func `every key of a list, a text or a refusal is in the document`(command: [String]) throws {
    try expectDocumented(try Program.run(command + ["--json"]))
  }

  @Test func `every key of a measurement is in the document, kept or new`() throws {
    try Program.with { program in
      let model = try program.writeSmallModel()
      try expectDocumented(
        try program.run(
          "measure", "--config", model, "--full", "--prompt", "8", "--generate", "2", "--context", "16", "--samples",
          "1", "--threads", "1", "--profile", "--power-command", "while :; do echo 40; sleep 0.01; done",
          "--subtract-idle", "--price", "0.3", "--grid", "DE", "--json"))
      try expectDocumented(try program.run("history", "--json"))
    }
  }

  @Test func `every key of what was made and judged is in the document`() throws {
    try Program.with { program in
      let made = program.dataHome.appendingPathComponent("made.gguf").path
      try expectDocumented(try program.run("compress", storiesFile, made, "--variant", "q8_0", "--json"))
      let text = "Tom had a red ball. He ran with it to the park and saw a big dog there."
      try expectDocumented(
        try program.run(
          "train", storiesFile, made + ".lora", "--lora", "1", "--steps", "1", "--batch", "1", "--context", "8",
          "--text",
          text, "--valid", text, "--json"))
      let tasks = try program.write(
        #"{"question": "Once upon a", "choices": ["time", "x"], "answer": 0}"#, to: "t.jsonl")
      try expectDocumented(
        try program.run(
          "evaluate", made, "--reference", storiesFile, "--text", "Tom had a red ball.", "--tasks", tasks, "--json"))
    }
  }

  @Test func `a probe answers with a profile in the documented envelope`() throws {
    let json = try Program.run("probe", "--json").json()
    #expect(Set((json.members ?? []).map(\.key)) == ["schemaVersion", "command", "anprobeVersion", "profile"])
  }

  @Test func `every command has its part of the document`() throws {
    let document = try Self.document("json.md")
    let help = try Program.run("--help").output
    let listed = try #require(help.range(of: "SUBCOMMANDS:")).upperBound
    let commands = help[listed...].split(separator: "\n").compactMap { line -> String? in
      let isCommand = line.hasPrefix("  ") && !line.hasPrefix("   ")
      return isCommand ? line.split(separator: " ").first.map { String($0) } : nil
    }.filter { $0 != "See" }
    #expect(commands.count > 10)
    for command in commands {
      let hasPart = document.split(separator: "\n").contains { $0.hasPrefix("### ") && $0.contains("`\(command)") }
      #expect(hasPart, "\(command)")
    }
  }

  /// The keys of the document stand in backquotes, alone, behind their parents or before an index.
  private func expectDocumented(_ outcome: Program.Outcome) throws {
    let document = try Self.document("json.md")
    var keys: Set<String> = []
    collect(try outcome.json(), &keys)
    #expect(!keys.isEmpty)
    let missing = keys.filter { key in
      !["`\(key)`", "`\(key)[", "`\(key).", ".\(key)`", ".\(key)[", "\"\(key)\""].contains { document.contains($0) }
    }
    #expect(missing.sorted() == [])
  }

  private func collect(_ json: JSON, _ keys: inout Set<String>) {
    for member in json.members ?? [] {
      keys.insert(member.key)
      collect(member.value, &keys)
    }
    for value in json.arrayValue ?? [] { collect(value, &keys) }
  }
}
