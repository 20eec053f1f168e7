import MiniVLMCore
import SwiftUI
import UIKit

/// What a phone shows while the host measures on it; the app ends when the measurement does.
struct BenchmarkView: View {
    @Environment(\.scenePhase) private var phase

    var body: some View {
        VStack {
            ProgressView()
            Text("Measuring. Leave the phone alone and unlocked.")
        }
        .onChange(of: phase) { before, _ in
            if before == .active { Foreground.shared.leave() }
        }
        .task {
            UIApplication.shared.isIdleTimerDisabled = true  // Auto-Lock would stop everything
            Foreground.shared.announceEnd()
            Foreground.shared.keepLog(in: BenchmarkFiles.own.log)
            let benchmark = Benchmark(files: .own, platform: PhonePlatform())
            exit(await benchmark.perform(arguments: ProcessInfo.processInfo.arguments))
        }
    }
}
