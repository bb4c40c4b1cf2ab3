// What a page does with the service, as a page of its own origin could not tell from any other.

/** Sends a request. What the page may not read is told as the name of the error that it gets instead. */
window.call = async (method, url, { json, body, headers = {} } = {}) => {
  if (json !== undefined) {
    headers = { "Content-Type": "application/json", ...headers };
    body = JSON.stringify(json);
  }
  try {
    const answer = await fetch(url, { method, headers, body });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      json: text.startsWith("{") ? JSON.parse(text) : null,
    };
  } catch (error) {
    return { error: error.name };
  }
};

/** Draws an image on a canvas and reads its first pixel: red, green, blue and opacity. */
window.firstPixel = async (url, crossOrigin) => {
  const image = new Image();
  if (crossOrigin) image.crossOrigin = crossOrigin;
  image.src = url;
  try {
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return [...context.getImageData(0, 0, 1, 1).data];
  } catch (error) {
    return error.name;
  }
};
