// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Takes out of a snapshot what tells who and where a machine is.
struct SnapshotCleaner {
  /// Host and user names, replaced wherever they stand as a word.
  var names: [String]

  static var ownNames: [String] {
    var host = [CChar](repeating: 0, count: 256)
    let hostName = gethostname(&host, host.count - 1) == 0 ? text(host) : ""
    let user = getpwuid(getuid()).flatMap { $0.pointee.pw_name }.map { String(cString: $0) } ?? ""
    let short = hostName.split(separator: ".").first.map { String($0) } ?? ""
    // A name of one or two letters tells nobody anything and stands inside numbers and units.
    return [hostName, short, user == "root" ? "" : user].filter { $0.count > 2 }
  }

  private static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// What is kept of files that hold more than we need: lines with one of these beginnings.
  private static let kept: [String: [String]] = [
    "/etc/os-release": ["PRETTY_NAME="],
    "/proc/self/status": ["Cpus_allowed", "Mems_allowed", "VmSize", "VmData"],
  ]
  private static let mountTables: Set<String> = ["/proc/mounts", "/proc/self/mounts", "/proc/self/mountinfo"]

  func cleaned(_ files: [String: [UInt8]]) -> [String: [UInt8]] {
    var numbers: [String: Int] = [:]
    var result: [String: [UInt8]] = [:]
    for (path, content) in files.sorted(by: { $0.key < $1.key }) {
      let text = withoutNames(withoutLines(String(decoding: content, as: UTF8.self), of: path))
      let isBinary = path == "/proc/self/auxv"
      let hasIdentifiers = path.contains("cgroup") || Self.mountTables.contains(path) || path == "/proc/self/cpuset"
      let clean = hasIdentifiers ? withoutIdentifiers(text, &numbers) : text
      let place = path.contains("cgroup") ? withoutIdentifiers(withoutNames(path), &numbers) : path
      result[place] = isBinary ? Self.capabilities(content) : Array(clean.utf8)
    }
    return result
  }

  private func withoutLines(_ text: String, of path: String) -> String {
    func keep(_ isKept: (Substring) -> Bool) -> String {
      text.split(separator: "\n", omittingEmptySubsequences: false).filter(isKept).joined(separator: "\n") + "\n"
    }
    if let beginnings = Self.kept[path] { return keep { line in beginnings.contains { line.hasPrefix($0) } } }
    if Self.mountTables.contains(path) { return keep { $0.contains("cgroup") && !$0.contains("overlay") } }
    if path == "/proc/cpuinfo" { return keep { !$0.hasPrefix("Serial") } }
    if path.hasSuffix("/uevent") { return keep { $0.hasPrefix("PCI_SLOT_NAME=") } }
    return text
  }

  private func withoutNames(_ text: String) -> String {
    names.reduce(text) { $1.isEmpty ? $0 : Self.replacing($1, in: $0, with: "host") }
  }

  /// Every occurrence, except inside a longer word.
  static func replacing(_ name: String, in text: String, with word: String) -> String {
    let parts = text.split(separator: name, omittingEmptySubsequences: false)
    guard parts.count > 1, let first = parts.first else { return text }
    func isWord(_ character: Character?) -> Bool { character.map { $0.isLetter || $0.isNumber } ?? false }
    var result = String(first)
    for part in parts.dropFirst() {
      result += isWord(result.last) || isWord(part.first) ? name : word
      result += part
    }
    return result
  }

  /// Runs of eight or more hexadecimal digits, as container and pod identifiers have, become numbers in the order of
  /// their appearance.
  private func withoutIdentifiers(_ text: String, _ numbers: inout [String: Int]) -> String {
    var result = ""
    var run = ""
    func finish() {
      // Plain decimal numbers are limits and counts.
      let isIdentifier = run.count >= 8 && run.contains { $0.isLetter }
      if isIdentifier {
        let number = numbers[run] ?? numbers.count + 1
        numbers[run] = number
        result += "id\(number)"
      } else {
        result += run
      }
      run = ""
    }
    for character in text {
      if character.isHexDigit, character.isASCII {
        run.append(character)
      } else {
        finish()
        result.append(character)
      }
    }
    finish()
    return result
  }

  /// Of the auxiliary vector only the two words of capabilities (types 16 and 26) and the end.
  private static func capabilities(_ vector: [UInt8]) -> [UInt8] {
    stride(from: 0, to: vector.count - 15, by: 16).flatMap { start -> ArraySlice<UInt8> in
      let isWanted = [0, 16, 26].contains(vector[start]) && vector[start + 1..<start + 8].allSatisfy { $0 == 0 }
      return isWanted ? vector[start..<start + 16] : []
    }
  }
}
