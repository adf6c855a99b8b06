// Run in the page by looks.rs.
return [...document.querySelectorAll('h2, p, b, span, button, label, small, dd, dt')]
  .filter((element) => element.checkVisibility() && getComputedStyle(element).display !== 'inline')
  .filter((element) => element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
  .filter((element) => !element.closest('[title]') && getComputedStyle(element).overflow !== 'visible')
  .map((element) => element.textContent.trim().slice(0, 60));
