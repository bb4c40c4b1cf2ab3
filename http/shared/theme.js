// Runs before anything is painted, so that a page in the reader's own colours never shows others first. The choice is the only thing that is
// kept in localStorage.
(() => {
	try {
		const theme = localStorage.getItem("theme");
		if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
	} catch {
		// Storage is closed to this page: the system's colours it is.
	}
})();
