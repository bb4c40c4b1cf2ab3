/// The seed files that the binary carries, as JSON of the form of `SeedDocument`.
package enum Seeds {
    /// Names that are reserved in every new database.
    package static let reservedNames: [UInt8] = PackageResources.reserved_names_json
    /// An account with a key and a few items to try the service with.
    package static let demo: [UInt8] = PackageResources.demo_json

    /// The image files that `demo` names, under the paths that it names them by. They show no person's likeness, and each stays below 16 KB, because
    /// embedding takes time quadratic in a file's size. The build embeds the files; a test compares this list with the folder.
    package static let demoPictures: [String: [UInt8]] = [
        "pictures/duo-evening.png": PackageResources.duo_evening_png,
        "pictures/duo-indoors.png": PackageResources.duo_indoors_png,
        "pictures/duo-park.png": PackageResources.duo_park_png,
        "pictures/nova-front.png": PackageResources.nova_front_png,
        "pictures/nova-left.png": PackageResources.nova_left_png,
        "pictures/nova-right.png": PackageResources.nova_right_png,
        "pictures/paper-hills.png": PackageResources.paper_hills_png,
        "pictures/paper-tiles.png": PackageResources.paper_tiles_png,
        "pictures/paper-waves.png": PackageResources.paper_waves_png,
    ]
}
