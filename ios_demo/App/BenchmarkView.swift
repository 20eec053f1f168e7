import MiniVLMCore
import SwiftUI
import UIKit

/// What a phone shows while the host measures on it; the app ends when the measurement does.
struct BenchmarkView: View {
    var body: some View {
        VStack {
            ProgressView()
            Text("Measuring. Leave the phone alone and unlocked.")
        }
        .task {
            UIApplication.shared.isIdleTimerDisabled = true
            let benchmark = Benchmark(files: .own, platform: PhonePlatform())
            exit(await benchmark.perform(arguments: ProcessInfo.processInfo.arguments))
        }
    }
}
