# Tries the image as a container of buildah's, whose own root has nothing but its files: $image is the archive.

store=(--root "$machine/storage" --runroot "$machine/runroot" --storage-driver vfs)
container="$(buildah "${store[@]}" from --quiet "oci-archive:$image")"
settings="$(buildah "${store[@]}" inspect "$container")"
for wanted in '.OCIv1.config.User == "10001:10001"' '.OCIv1.config.ExposedPorts | has("8080")' '.OCIv1.config.Volumes | has("/data")' \
    '.OCIv1.config.StopSignal == "SIGTERM"' '.OCIv1.config.Entrypoint == ["/usr/bin/personas"]' '.OCIv1.config.Cmd == ["serve"]'; do
    jq -e "$wanted" >/dev/null <<< "$settings" || fail "image: $wanted"
done
echo "ok: it says who it is, where it listens and how it ends"
in_image() { buildah "${store[@]}" run --isolation chroot "$container" -- "$@"; }
echo "# personas --version"
in_image /usr/bin/personas --version
in_image /usr/bin/personas serve --port 8091 --demo > "$machine/image.out" 2> "$machine/image.log" < /dev/null &
server=$!
deadline=$((SECONDS + 30))
until curl -fsS http://127.0.0.1:8091/readyz >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || { cat "$machine/image.log" >&2; fail "the image serves"; }
    sleep 0.1
done
echo "ok: it serves as the user $(ps -o uid= -p "$(pgrep -f '^/usr/bin/personas serve --port 8091')" | xargs)"
pkill -TERM -f '^/usr/bin/personas serve --port 8091'
wait "$server"
echo "ok: it ends when told to"
