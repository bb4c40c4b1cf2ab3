// Requests that tell how far they are.

import { address, answerOf, dressed, lostAnswer } from "./api.js";

/** For `call`: tells `progress(sent, all)` of bytes; with `received(bytes)` the answer is a blob. */
export const upload = (progress, received) => async (method, path, { body, headers, signal }) => {
	signal.throwIfAborted();
	const sent = dressed(body, headers);
	const request = new XMLHttpRequest();
	request.open(method, address(path));
	for (const header of Object.entries(sent.headers)) request.setRequestHeader(...header);
	request.upload.onprogress = ({ loaded, total }) => progress(loaded, total);
	signal.addEventListener("abort", () => request.abort());
	await new Promise((resolve, reject) => {
		Object.assign(request, {
			responseType: "blob", onprogress: ({ loaded }) => received?.(loaded),
			onload: resolve, onerror: () => reject(lostAnswer()), onabort: () => reject(signal.reason),
		});
		request.send(sent.body);
	});
	const { status, response } = request;
	return received && status < 300 ? response : answerOf(status, await response.text(), (name) => request.getResponseHeader(name));
};
