// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A machine of `Machines/`, unpacked for the time of a test; scripts/golden/machines tells the form.
struct RecordedMachine {
  let name: String
  let folder: URL

  static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: resources.path)) ?? []
    return files.filter { $0.hasSuffix(".machine") }.map { String($0.dropLast(8)) }.sorted()
  }()

  private static var resources: URL { Bundle.module.bundleURL.appendingPathComponent("Machines") }

  /// Unpacks, runs, removes.
  static func with<Result>(_ name: String, _ body: (RecordedMachine) throws -> Result) throws -> Result {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = try String(contentsOf: resources.appendingPathComponent("\(name).machine"), encoding: .utf8)
    var made: Set<String> = []
    for entry in entries(text) { try entry.write(below: folder, made: &made) }
    return try body(RecordedMachine(name: name, folder: folder))
  }

  static func temporaryFolder() throws -> URL {
    // Thousands of small files are made quicker in memory.
    let memory = URL(fileURLWithPath: "/dev/shm")
    let isUsable = FileManager.default.isWritableFile(atPath: memory.path)
    let folder = (isUsable ? memory : FileManager.default.temporaryDirectory).appendingPathComponent(
      "anprobe-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  /// What `lstopo` says: one line per count, cache group and NUMA node.
  var expected: [String] {
    get throws {
      let url = Self.resources.appendingPathComponent("\(name).expected")
      return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map { String($0) }
    }
  }
}

extension RecordedMachine {
  struct Entry {
    var paths: [String]
    var isLink: Bool
    var lines: [String] = []

    var content: [UInt8] {
      var bytes: [UInt8] = []
      for line in lines {
        switch line.first {
        case "|": bytes += Array(line.dropFirst().utf8) + [10]
        case "-": bytes += Array(line.dropFirst().utf8)
        default: bytes += hexadecimal(line.dropFirst())
        }
      }
      return bytes
    }

    func write(below folder: URL, made: inout Set<String>) throws {
      for path in paths {
        let place = "\(folder.path)/\(path)"
        let parent = (place as NSString).deletingLastPathComponent
        if made.insert(parent).inserted {
          try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        }
        if isLink {
          try FileManager.default.createSymbolicLink(
            atPath: place, withDestinationPath: String(lines.first?.dropFirst() ?? ""))
        } else {
          #expect(FileManager.default.createFile(atPath: place, contents: Data(content)))
        }
      }
    }
  }

  static func entries(_ text: String) -> [Entry] {
    var entries: [Entry] = []
    for line in text.split(separator: "\n") {
      if line.hasPrefix("> ") || line.hasPrefix("@ ") {
        entries.append(Entry(paths: paths(line.dropFirst(2)), isLink: line.hasPrefix("@")))
      } else if line.hasPrefix("~"), let bar = line.firstIndex(of: "|"), entries.count > 1 {
        let number = Int(line[line.index(after: line.startIndex)..<bar]) ?? 0
        if entries[entries.count - 1].lines.isEmpty {
          entries[entries.count - 1].lines = entries[entries.count - 2].lines
        }
        entries[entries.count - 1].lines[number] = String(line[bar...])
      } else if !entries.isEmpty {
        entries[entries.count - 1].lines.append(String(line))
      }
    }
    return entries
  }

  private static func paths(_ head: Substring) -> [String] {
    let fields = head.split(separator: " ")
    guard fields.count == 2, let last = fields.last else { return [String(head)] }
    return last.split(separator: ",").flatMap { part -> [String] in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      return (ends[0]...(ends.last ?? ends[0])).map {
        fields[0].replacingOccurrences(of: "#", with: "\($0)")
      }
    }
  }

  private static func hexadecimal(_ text: Substring) -> [UInt8] {
    let digits = Array(text)
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
  }
}
