// SPDX-License-Identifier: Apache-2.0
internal import CHostProbe

/// What the kernel lets this process do with its registers: two answers that no file of the kernel holds.
struct RegisterGrants: Equatable {
  /// Where a snapshot keeps them.
  static let path = "/anprobe/registers"

  /// Register states that the kernel saves (XCR0).
  var savedStates: UInt64?
  var amx: InstructionFacts.Grant

  static func live(asksForAMX: Bool) -> RegisterGrants {
    let answer = asksForAMX ? chp_request_amx() : 0
    let grant: InstructionFacts.Grant = asksForAMX ? answer == 0 ? .granted : .refused(errno: -answer) : .unknown
    return RegisterGrants(savedStates: chp_saved_states(), amx: grant)
  }

  private init(savedStates: UInt64?, amx: InstructionFacts.Grant) {
    (self.savedStates, self.amx) = (savedStates, amx)
  }

  init(_ files: FileTree) {
    savedStates = files.value("saved-states", in: Self.path).flatMap { UInt64($0, radix: 16) }
    let told = files.value("amx-errno", in: Self.path).flatMap { Int32($0) }
    amx = told.map { $0 == 0 ? .granted : .refused(errno: $0) } ?? .unknown
  }

  /// The text that ``init(_:)`` reads.
  var text: String {
    var lines = savedStates.map { ["saved-states: \(String($0, radix: 16))"] } ?? []
    switch amx {
    case .granted: lines.append("amx-errno: 0")
    case .refused(let code): lines.append("amx-errno: \(code)")
    case .unknown: break
    }
    return lines.map { $0 + "\n" }.joined()
  }
}
