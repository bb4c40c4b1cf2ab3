import Foundation
import PackagePlugin

/// Tells the sources which commit they are built from. It asks git before every build, because the manifest's own `Context.gitInformation` is
/// remembered by the package manager and grows old.
@main
struct CommitPlugin: BuildToolPlugin {
    /// Writes the commit, or nothing where there is no git or no repository, and only when it has changed, so that nothing is compiled in vain.
    private static let script = """
        commit=$(git -C "$1" describe --always --abbrev=12 --dirty=+changes --exclude='*' 2>/dev/null || true)
        mkdir -p "$2"
        printf 'let builtCommit = "%s"\\n' "$commit" > "$2/commit.new"
        if cmp -s "$2/commit.new" "$2/Commit.swift"; then rm "$2/commit.new"; else mv "$2/commit.new" "$2/Commit.swift"; fi
        """

    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let output = context.pluginWorkDirectoryURL.appending(path: "Commit")
        return [
            .prebuildCommand(
                displayName: "Asking git for the commit", executable: URL(filePath: "/bin/sh"),
                arguments: [
                    "-c", Self.script, "sh", context.package.directoryURL.path(percentEncoded: false), output.path(percentEncoded: false),
                ],
                outputFilesDirectory: output)
        ]
    }
}
