import MiniVLMCore
import SwiftUI

@main
struct MiniVLMApp: App {
    init() {
        try? BenchmarkFiles.own.makeFolders()  // where this fails, whatever is read or written there says why
    }

    var body: some Scene {
        WindowGroup {
            if ProcessInfo.processInfo.arguments.contains(BenchmarkRequest.flag) {
                BenchmarkView()
            } else {
                ContentView()
            }
        }
    }
}

extension BenchmarkFiles {
    /// This app's Documents, which `devicectl`, Finder and the Files app reach.
    static let own = BenchmarkFiles(documents: .documentsDirectory)
}
