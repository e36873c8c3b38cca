// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import Testing

/// Exit codes, and what is said when there is no answer.
@Suite struct RefusalTests {
  struct Refusal: CustomTestStringConvertible {
    var arguments: [String]
    /// What the message must name.
    var names: String
    var testDescription: String { arguments.joined(separator: " ") }
    init(_ names: String, _ arguments: String...) {
      self.names = names
      self.arguments = arguments
    }
  }

  static let refusals = [
    Refusal("frobnicate", "frobnicate"),
    Refusal("model", "estimate"),
    Refusal("--config", "estimate", "tinyllama-1.1b", "--config", "config.json"),
    Refusal("q9_z", "estimate", "tinyllama-1.1b", "--variant", "q9_z"),
    Refusal("-4", "estimate", "tinyllama-1.1b", "--context=-4"),
    Refusal("0", "estimate", "tinyllama-1.1b", "--context", "0"),
    Refusal("99999999999999999999", "estimate", "tinyllama-1.1b", "--context", "99999999999999999999"),
    Refusal("positions", "estimate", "tinyllama-1.1b", "--context", "1000000000", "--users", "1000000000"),
    Refusal("positions", "estimate", "tinyllama-1.1b", "--context", "1000000k"),
    Refusal("bandwidth", "fits", "--machine", "kind=gpu,memory=24GB,bandwidth=0GB/s"),
    Refusal("12bit", "estimate", "tinyllama-1.1b", "--kv", "12bit"),
    Refusal("abacus", "estimate", "tinyllama-1.1b", "--engine", "abacus"),
    Refusal("no such machine", "fits", "--machine", "no such machine"),
    Refusal("memory", "fits", "--machine", "kind=gpu,memory=24,bandwidth=1008GB/s"),
    Refusal("bandwidth", "fits", "--machine", "kind=gpu,memory=24GB,bandwidth=fast"),
    Refusal("tdp", "fits", "--machine", "kind=gpu,memory=24GB,bandwidth=1008GB/s,tdp=-3W"),
    Refusal("colour", "fits", "--machine", "kind=gpu,memory=24GB,bandwidth=1008GB/s,colour=red"),
    Refusal("either", "fits", "--machine", "RTX 4090", "--root", "/"),
    Refusal("--gpu-layers", "fits", "tinyllama", "--machine", "RTX 4090", "--engine", "vllm", "--gpu-layers", "3"),
    Refusal("some", "fits", "tinyllama", "--machine", "RTX 4090", "--gpu-layers", "some"),
    Refusal(
      "4 devices", "estimate", "llama-3-8b", "--machine", "2x RTX 3090", "--engine", "vllm", "--tensor-parallel", "4"),
    Refusal("bridge", "estimate", "llama-3-8b", "--machine", "2x RTX 4090, nvlink"),
    Refusal("9x99", "estimate", "llama-3-8b", "--machine", "RTX 4090, pcie=9x99"),
    Refusal("6", "fits", "tinyllama", "--max-memory", "6"),
    Refusal("leave out --variant", "fits", "tinyllama", "--train", "lora-8", "--variant", "q4_0"),
    Refusal("no way to train", "fits", "tinyllama", "--train", "lora-0"),
    Refusal("excellent", "fits", "tinyllama", "--max-loss", "excellent"),
    Refusal("nan", "fits", "tinyllama", "--min-speed", "nan"),
    Refusal("no-such-model", "fits", "no-such-model"),
    Refusal("/no/such/file.gguf", "estimate", "/no/such/file.gguf", "--no-calibrate"),
    Refusal("/no/such/config.json", "estimate", "--config", "/no/such/config.json", "--no-calibrate"),
    Refusal("/no/such/folder", "probe", "--root", "/no/such/folder"),
    Refusal("fastest", "measure", "tinyllama-1.1b", "--kernels", "fastest"),
    Refusal("100", "measure", "tinyllama-1.1b", "--prompt", "90", "--generate", "10", "--context", "64"),
    Refusal("abacus", "measure", "tinyllama-1.1b", "--meter", "abacus"),
    Refusal("one of --meter", "measure", "tinyllama-1.1b", "--watts", "5", "--power-command", "echo 5"),
    Refusal("-5", "measure", "tinyllama-1.1b", "--watts=-5"),
    Refusal("--subtract-idle", "measure", "tinyllama-1.1b", "--watts", "5", "--subtract-idle"),
    Refusal("/no/such.csv", "measure", "tinyllama-1.1b", "--power-csv", "/no/such.csv"),
    Refusal("/etc/passwd", "tokenize", "/etc/passwd", "--text", "x"),
    Refusal("/etc/passwd", "generate", "/etc/passwd"),
    Refusal("conversation", "generate", storiesFile, "--chat", "Hello"),
    Refusal("conversation", "tokenize", storiesFile, "--chat", "Hello"),
    Refusal("--chat", "generate", storiesFile, "--system", "Be brief."),
    Refusal("Give one of", "generate", storiesFile, "--chat", "Hello", "--prompt", "Hello"),
    Refusal("--text", "tokenize", storiesFile),
    Refusal("--no-special", "tokenize", storiesFile, "--chat", "Hello", "--no-special"),
    Refusal("draft model", "generate", storiesFile, "--draft", booksFile),
    Refusal("--draft-tokens", "generate", storiesFile, "--draft", "lookup", "--draft-tokens", "32"),
    Refusal("--prompts", "generate", storiesFile, "--draft", "lookup", "--prompts", "x.txt"),
    Refusal("--prompt-cache", "generate", storiesFile, "--prompts", "x.txt", "--prompt-cache", "x.cache"),
    Refusal("no prompt cache", "generate", storiesFile, "--prompt-cache", storiesFile),
    Refusal("--prompt-cache", "generate", storiesFile, "--context-shift", "--prompt-cache", "x.cache"),
    Refusal("--context-shift", "generate", storiesFile, "--keep", "4"),
    Refusal("none to lose", "generate", storiesFile, "--context", "16", "--context-shift", "--keep", "16"),
    Refusal("-1", "generate", storiesFile, "--context-shift", "--keep=-1"),
    Refusal("--profile", "measure", storiesFile, "--draft", "lookup", "--profile"),
    Refusal("--prompt-text", "measure", storiesFile, "--prompt-text", "Once"),
    Refusal("--acceptance", "estimate", "llama-3-8b", "--draft", "tinyllama-1.1b"),
    Refusal("1.5", "generate", storiesFile, "--top-p", "1.5"),
    Refusal("-3", "generate", storiesFile, "--top-k=-3"),
    Refusal("--repeat-penalty", "generate", storiesFile, "--repeat-penalty", "0"),
    Refusal("nan", "generate", storiesFile, "--frequency-penalty", "nan"),
    Refusal("--text", "evaluate", storiesFile),
    Refusal("--text", "evaluate", storiesFile, "--tasks", "x.jsonl", "--reference", storiesFile),
    Refusal("/no/such.txt", "evaluate", storiesFile, "--text", "/no/such.txt"),
    Refusal("/no/such.jsonl", "evaluate", storiesFile, "--tasks", "/no/such.jsonl"),
    Refusal("stride", "evaluate", storiesFile, "--text", "Tom ran.", "--context", "8", "--stride", "8"),
    Refusal("nf4", "compress", storiesFile, "/tmp/never-made.gguf", "--variant", "nf4"),
    Refusal("importance", "compress", storiesFile, "/tmp/never-made.gguf", "--variant", "iq2_xs"),
    Refusal("source", "compress", storiesFile, storiesFile, "--variant", "q8_0"),
    Refusal("tokens", "train", storiesFile, "/tmp/never-made.gguf", "--text", "Tom ran."),
    Refusal("source", "train", storiesFile, storiesFile, "--text", "Tom ran."),
    Refusal("7-9", "train", storiesFile, "/tmp/never-made.gguf", "--text", "Tom ran.", "--layers", "9-7,7-9"),
    Refusal("--lora", "train", storiesFile, "/tmp/never-made.gguf", "--text", "Tom ran.", "--merged"),
    Refusal("--alpha", "train", storiesFile, "/tmp/never-made.gguf", "--text", "Tom ran.", "--alpha", "1.5"),
    Refusal("resume", "train", storiesFile, "/tmp/never-made.gguf", "--text", "Tom ran.", "--context", "2", "--resume"),
    Refusal("q9_z", "compress", storiesFile, "/tmp/never-made.gguf", "--variant", "q9_z"),
  ]

  @Test(arguments: refusals) func `bad input is named, exits with 2 and is JSON on demand`(
    _ refusal: Refusal
  ) throws {
    let asked = try Program.run(refusal.arguments + ["--json"])
    #expect(asked.exitCode == 2)
    #expect(!asked.isCrash)
    let error = try #require(try asked.json()["error"])
    let message = try #require(error["message"]?.stringValue)
    #expect(message.contains(refusal.names), "\(message)")
    #expect(error["kind"]?.stringValue?.isEmpty == false)
    #expect(error["remedy"]?.stringValue?.isEmpty == false)
  }

  @Test(arguments: refusals.prefix(5)) func `without --json a refusal goes to the error stream alone`(
    _ refusal: Refusal
  ) throws {
    let outcome = try Program.run(refusal.arguments)
    #expect(outcome.exitCode == 2)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains(refusal.names), "\(outcome.errors)")
  }

  @Test func `a misspelt model is answered with the likely name`() throws {
    let outcome = try Program.run("estimate", "tinylama-1.1b", "--no-calibrate", "--json")
    #expect(outcome.exitCode == 2)
    let remedy = try #require(try outcome.json()["error"]?["remedy"]?.stringValue)
    #expect(remedy.contains("TinyLlama-1.1B-Chat-v1.0"), "\(remedy)")
  }

  static let negatives = [
    ["fits", "llama-3-70b", "--machine", "kind=gpu,memory=1GB,bandwidth=10GB/s"],
    ["estimate", "llama-3-70b", "--variant", "f16", "--machine", "RTX 4090"],
    ["recommend", "llama-3-70b", "--machine", "kind=gpu,memory=1GB,bandwidth=10GB/s"],
    ["fits", "tinyllama", "--machine", "RTX 4090", "--min-speed", "100000"],
    ["estimate", "llama-3-8b", "--machine", "RTX 4090", "--context", "4096", "--users", "65536"],
  ]

  @Test(arguments: negatives) func `an answer of no exits with 3, and is still an answer`(
    _ arguments: [String]
  ) throws {
    let outcome = try Program.run(arguments + ["--json"])
    #expect(outcome.exitCode == 3, "\(outcome.errors)")
    let json = try outcome.json()
    #expect(json["command"]?.stringValue == arguments[0])
    #expect(json["error"] == nil)
  }

  @Test func `a file that is no config is refused by name, whatever is in it`() throws {
    try Program.with { program in
      for text in ["", "{", "[]", "null", "{\"model_type\": 7}", "{\"model_type\": \"llama\", \"hidden_size\": -1}"] {
        let file = try program.write(text, to: "config.json")
        let outcome = try program.run("estimate", "--config", file, "--no-calibrate", "--json")
        #expect(outcome.exitCode == 2, "\(text): \(outcome.output)")
        #expect(try outcome.json()["error"]?["message"]?.stringValue?.contains(file) == true, "\(text)")
      }
    }
  }

  @Test func `help names every command, and each command's help shows an example`() throws {
    let help = try Program.run("--help")
    #expect(help.exitCode == 0)
    #expect(try Program.run("help").output == help.output)
    let commands = [
      "fits", "estimate", "recommend", "models", "variants", "machines", "probe", "measure", "validate", "generate",
      "tokenize", "history",
    ]
    for command in commands {
      #expect(help.output.contains("  \(command) "), "\(command)")
      let own = try Program.run(command, "--help")
      #expect(own.exitCode == 0)
      #expect(own.output.contains("anprobe \(command)"), "\(command)")
      #expect(own.output.contains("--json"), "\(command)")
    }
  }

  @Test func `the version is three numbers and nothing else`() throws {
    let outcome = try Program.run("--version")
    #expect(outcome.exitCode == 0)
    #expect(outcome.errors.isEmpty)
    let parts = outcome.output.trimmingCharacters(in: .newlines).split(separator: ".")
    #expect(parts.count == 3)
    #expect(parts.allSatisfy { Int($0) != nil })
  }

  @Test func `an answer in a pipe has no colours and no progress`() throws {
    let outcome = try Program.run("fits", "tinyllama", "--machine", "RTX 4090")
    #expect(outcome.exitCode == 0)
    #expect(!outcome.output.contains("\u{1B}"))
    #expect(outcome.errors.isEmpty)
  }

  @Test func `a damaged archive is refused by name and left as it is`() throws {
    try Program.with { program in
      let folder = program.dataHome.appendingPathComponent("anprobe")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let file = folder.appendingPathComponent("anprobe.sqlite")
      let bytes = Data("this is no database, but somebody may miss it".utf8)
      try bytes.write(to: file)
      let outcome = try program.run("history", "--json")
      #expect(outcome.exitCode == 1)
      #expect(try outcome.json()["error"]?["message"]?.stringValue?.contains(file.path) == true)
      #expect(try Data(contentsOf: file) == bytes)
      // An estimate needs no archive.
      #expect(try program.run("estimate", "tinyllama-1.1b", "--no-calibrate").exitCode == 0)
    }
  }
}
