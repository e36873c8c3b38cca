// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Foundation
import Planning
import Recommender

enum Fixture {
  static let card = "kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,tdp=450W"
  static let workload = Workload()

  /// A new folder that is removed afterwards.
  static func withFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("anprobe-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
  }

  /// A session whose data folder is new and empty.
  static func withSession<Result>(_ body: (PlanningSession, URL) throws -> Result) throws -> Result {
    try withFolder { folder in try body(PlanningSession(folders: DataFolders(root: folder.path)), folder) }
  }

  static func request(_ machine: String = card, workload: Workload = workload) -> PlanningRequest {
    PlanningRequest(machine: .named(machine), workload: workload)
  }

  static func variants(_ names: String...) throws -> [CompressionVariant] {
    try names.map { try CompressionVariant(parsing: $0) }
  }
}

extension PlanningSession {
  func fits(
    _ names: [String] = [], _ request: PlanningRequest = Fixture.request(), _ variants: [CompressionVariant],
    _ constraints: Constraints = Constraints(mustRun: false), objective: Objective = .balanced
  ) throws -> FitsAnswer {
    try fits(names, request, objective: objective, constraints: constraints, variants: variants, keepsAll: true)
  }
}
