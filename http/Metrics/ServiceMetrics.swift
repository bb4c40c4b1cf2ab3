/// Every metric that the service has, by name. The parts of the service record under these names through swift-metrics; what they mean, and
/// how finely they are measured, is said here.
package enum ServiceMetrics {
    private static let groupSizes: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256]

    /// For `MetricsRegistry`.
    package static let descriptions: [String: MetricDescription] = [
        "personas_http_requests_total": MetricDescription(
            "Requests answered, by method, route template and status; 499 where the client broke off."),
        "personas_http_request_duration_seconds": MetricDescription(
            "Seconds from the head of a request to that of its answer, by method and route template."),
        "personas_http_requests_in_flight": MetricDescription("Requests whose answer has not begun yet."),
        "personas_http_connections": MetricDescription("Client connections that are open."),
        "personas_limits_hit_total": MetricDescription(
            "Times that a client met a limit: the size of a body or a header, connections, or the time to send a request or take an answer."
        ),
        "personas_store_commits_total": MetricDescription("Transactions that were committed to the disk."),
        "personas_store_commit_failures_total": MetricDescription("Transactions whose commit failed."),
        "personas_store_commit_group_size": MetricDescription("Operations that shared one transaction.", bounds: groupSizes),
        "personas_store_write_queue_depth": MetricDescription("Operations that wait for the next transaction."),
        "personas_search_queue_depth": MetricDescription("Searches that wait for a thread."),
        "personas_body_decoding_queue_depth": MetricDescription("Large request bodies and images that wait to be decoded."),
        "personas_training_jobs": MetricDescription("Training jobs that have not ended, by state; counted up to 100000."),
        "personas_training_jobs_completed_total": MetricDescription("Training jobs that ended well."),
        "personas_training_jobs_failed_total": MetricDescription("Training jobs that ended badly."),
        "personas_training_leases_expired_total": MetricDescription("Leases of training jobs that ran out."),
        "personas_media_removal_queue_depth": MetricDescription("Image files that may have to be removed; counted up to 100000."),
        "personas_downloads_total": MetricDescription("Downloads of images that ended, by outcome."),
        "personas_downloads_in_flight": MetricDescription("Downloads of images under way."),
        "personas_downloads_queue_depth": MetricDescription("Downloads of images that wait for others to end."),
        "process_start_time_seconds": MetricDescription("When the process started, in seconds since 1970."),
        "process_resident_memory_bytes": MetricDescription("Memory in use."),
        "process_open_fds": MetricDescription("File descriptors in use."),
    ]
}
